"""What the scripts of Clipmill's rules share."""
