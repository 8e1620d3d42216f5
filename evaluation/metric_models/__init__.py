"""The neural networks behind metrics. Each is loaded from a local folder; no file of this folder downloads anything.

catalogue.py            the published weights: name, size, page
weights.py              finds weights on this machine, or says where to get them
reading.py              reads weight files and transformers folders
clip.py, dino.py, csd.py, aesthetic.py, lpips.py, dreamsim_model.py    networks that read images
vision_language.py      a vision-language model that answers questions by token probabilities
registry.py             which models are on this machine; loads each once
table.py                the table of `styleroute evaluate metrics`
"""

from .aesthetic import AestheticModel
from .clip import ClipModel
from .csd import CsdModel
from .dino import DinoModel
from .dreamsim_model import DreamSimModel
from .lpips import LpipsModel
from .registry import MetricModels, ModelStatus
from .vision_language import VisionLanguageModel

__all__ = [
    "AestheticModel",
    "ClipModel",
    "CsdModel",
    "DinoModel",
    "DreamSimModel",
    "LpipsModel",
    "MetricModels",
    "ModelStatus",
    "VisionLanguageModel",
]
