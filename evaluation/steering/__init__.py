"""Evaluates what steers the experts: the style's embedding, the style image beside the photo, or neither."""
