"""Evaluates a style encoder on unseen styles: retrieval, silhouette, and whether similar styles are close together."""
