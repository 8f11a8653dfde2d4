"""What a finished run delivers."""
