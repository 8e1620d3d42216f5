"""Evaluates region experts on unseen objects and photos: where the attention lies, what they stylise and keep."""
