"""Painting in the style of an image: the nodes of StyleExpert."""
