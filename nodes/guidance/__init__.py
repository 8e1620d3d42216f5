"""Guidance with two dials: how much of the content and how much of the style the result takes."""
