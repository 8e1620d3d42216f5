"""StyleExpert's mixture of experts: files, style encoder, router, and the collapse of a style to one LoRA.

This folder imports only torch, safetensors, flux/, errors.py and paths.py.
"""

from ..errors import StyleExpertError
from .collapse import LowRank
from .config import EncoderConfig, ExpertConfig
from .encoder import StyleEncoder
from .expert import StyleExpert
from .router import Router, Routing
from .saving import save_encoder, save_expert
from .style import Style
from .style_file import load_style, save_style

__all__ = [
    "EncoderConfig",
    "ExpertConfig",
    "LowRank",
    "Router",
    "Routing",
    "Style",
    "StyleEncoder",
    "StyleExpert",
    "StyleExpertError",
    "load_style",
    "save_encoder",
    "save_expert",
    "save_style",
]
