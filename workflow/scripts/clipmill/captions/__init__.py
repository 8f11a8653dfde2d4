"""What is said about a clip, and whether it is true."""
