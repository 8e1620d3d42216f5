"""The base model's facts: layer names, weight layouts, latent packing, positions and the noise schedule.

Needs torch and einops alone.
"""
