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

__all__ = [
    "EncoderConfig",
    "ExpertConfig",
    "LowRank",
    "Router",
    "Routing",
    "StyleEncoder",
    "StyleExpert",
    "StyleExpertError",
    "save_encoder",
    "save_expert",
]
