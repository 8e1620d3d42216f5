"""Attention maps of a prompt's phrases: captured while any sampler runs, and shown as heat maps and masks."""
