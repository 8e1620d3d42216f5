"""Facts about the base model: layer names, weight layouts, latent packing, positions and the noise schedule.

This folder imports only torch, einops and errors.py.
"""
