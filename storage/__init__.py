"""Files and images: whole-file writes, disk space, cached rows, the image reader and contact sheets."""
