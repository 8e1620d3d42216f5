"""StyleRoute."""
