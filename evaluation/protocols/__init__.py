"""The papers' evaluations: which images every system generates, and the scores of folders of such images.

trial_list.py          the list of trials as a file, for any system
result_folders.py      images of one system, found by the trials' names
scoring.py             the papers' metrics of result folders, a few images at a time
style_expert.py        StyleExpert: content and style images
region_route.py        RegionRoute: one object of each photo, in each of four styles
options.py             the options of both commands, and their presets
running.py             from the options to the folders of images
generating.py          generates the missing images of one system
diffusers_pipeline.py  the pipeline of diffusers; diffusers_styles.py and diffusers_regions.py use it
comfyui_systems.py     generates in a running ComfyUI server
"""
