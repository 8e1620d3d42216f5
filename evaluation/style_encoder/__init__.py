"""Scores of a style encoder on unseen styles: retrieval, and whether similar styles are near each other."""
