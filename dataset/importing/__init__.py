"""Imports downloaded triplets (content, style image, stylised image) into the layout that the trainers read.

open_source.py      finds out a dataset's layout and opens it
rows.py             what a source gives: rows of texts and images that are not decoded
arrow_folder.py     Parquet files and `save_to_disk` folders of the library `datasets`
tar_shards.py       WebDataset
image_table.py      a table of paths; folder_files.py finds its images in folders and tar archives
columns.py          which column holds what
image_store.py      keeps each distinct image once, as a square
collect.py          reads rows into the store, and sets bad rows aside
splits.py           training and test, and the style images
import_triplets.py  all of it, whole or not at all
"""
