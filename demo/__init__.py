"""What the demo command paints: an example workflow, with images and values filled in."""
