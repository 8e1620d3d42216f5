"""Painting in the style of a picture: the nodes of StyleExpert."""
