"""What the demo command paints: an example workflow, with pictures and values filled in."""
