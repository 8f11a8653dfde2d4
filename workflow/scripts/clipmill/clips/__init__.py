"""What is measured on a clip, and which clips are kept."""
