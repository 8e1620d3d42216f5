"""The papers' evaluations: which images every system generates, and the scores of folders of such images.

trial_list.py       the list of trials as a file, for any system
result_folders.py   images of one system, found by the trials' names
scoring.py          the papers' metrics of result folders, a few images at a time
style_expert.py     StyleExpert: content and style images
region_route.py     RegionRoute: one object of each photo, in each of four styles
"""
