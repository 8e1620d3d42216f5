"""Photos with masks of their objects, from folders of COCO, Pascal VOC and BIG that the user has downloaded.

objects.py       a photo and its objects; a mask is read only when it is asked for
coco.py          COCO's folder; coco_masks.py decodes its polygons and run lengths
pascal_voc.py    the folder VOCdevkit/VOC2012
big.py           the folder of BIG, one object for each photo
token_compose.py TokenCompose's Grounded COCO, the paper's training photos
choice.py        chooses one object of a photo, by stated rules
datasets.py      the three datasets by name
"""

from .choice import ChosenObject, ObjectChoice, choose_object, choose_objects
from .datasets import DATASETS, read_dataset
from .objects import SegmentedObject, SegmentedPhoto

__all__ = [
    "DATASETS",
    "ChosenObject",
    "ObjectChoice",
    "SegmentedObject",
    "SegmentedPhoto",
    "choose_object",
    "choose_objects",
    "read_dataset",
]
