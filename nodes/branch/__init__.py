"""Experts at run time: styles with a place and a time of their own, in one forward pass."""
