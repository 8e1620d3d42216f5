"""Files that are written whole or not at all, cached rows, images read and written, and the room on the disk."""
