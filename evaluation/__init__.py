"""Evaluates style encoders, style experts, region experts and the small Kontext: images, metrics, claims, reports.

metrics/          plain functions on images and attention maps
metric_models/    the networks behind some metrics, loaded from local folders
styles/           `styleroute evaluate styles` and `styleroute evaluate losses`
regions/          `styleroute evaluate regions`
style_encoder/    the report of `styleroute train encoder`
tiny.py           `styleroute evaluate tiny`
statistics.py     means with two-way clustered standard errors
claims.py         tests whether one method is better than another
comfy_generator.py, generated_images.py    generate images in a ComfyUI server, each once
"""
