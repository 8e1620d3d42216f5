"""Attention maps of the words in a prompt: captured while any sampler runs, kept, made masks and images."""
