"""Region experts on objects and photos that they never saw: where their attention is, what they paint and keep."""
