"""What a person runs on a results folder."""
