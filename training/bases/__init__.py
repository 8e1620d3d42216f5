"""Base models that adapters are trained for: FLUX.1 Kontext, and the small Kontext that ships with the pack."""

import torch

from .base import Base, short_digest
from .kontext import T5_TOKENS, KontextBase
from .tiny import TinyBase

__all__ = ["Base", "load_base", "short_digest"]


def load_base(
    source: str, device: str = "cpu", dtype: torch.dtype = torch.bfloat16, text_tokens: int = T5_TOKENS
) -> Base:
    """The small Kontext (float32, encodes on the CPU), or a FLUX.1 Kontext in diffusers' layout.

    Args:
        source: "tiny" for the small Kontext; else a hub name or a folder.
        device: device that encodes images and prompts of FLUX.
        dtype: dtype of FLUX's weights.
        text_tokens: length of FLUX's prompts in tokens; the small Kontext has a fixed length.

    Raises:
        TrainingError: the folder does not exist, or contains another family of models.
    """
    return TinyBase() if source == "tiny" else KontextBase(source, device, dtype, text_tokens)
