"""Videos and images: which files, which frames, which cuts, and the files that are written."""
