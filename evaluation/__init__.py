"""Evaluates style encoders, style experts, region experts and the small Kontext: images, metrics, claims, reports.

metrics/          plain functions on images and attention maps
metric_models/    the networks behind some metrics, loaded from local folders
protocols/        `styleroute evaluate paper-styles` and `styleroute evaluate paper-regions`
styles/           `styleroute evaluate styles` and `styleroute evaluate losses`
steering/         `styleroute evaluate steering`
regions/          `styleroute evaluate regions`
style_encoder/    the report of `styleroute train encoder`
tiny/             `styleroute evaluate tiny`
report/           `styleroute evaluate report`
statistics.py     means with two-way clustered standard errors
claims.py, goals.py    test whether one method is better than another, and whether a number is reached
kept_numbers.py   keeps numbers that take long to compute
comfy_generator.py, generated_images.py    generate images in a ComfyUI server, each once
"""
