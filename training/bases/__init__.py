"""The models that adapters are trained for: FLUX.1 Kontext, and the small Kontext that ships with the pack."""

import torch

from .base import Base, short_digest
from .kontext import T5_TOKENS, KontextBase
from .tiny import TinyBase

__all__ = ["Base", "load_base", "short_digest"]


def load_base(
    source: str, device: str = "cpu", dtype: torch.dtype = torch.bfloat16, text_tokens: int = T5_TOKENS
) -> Base:
    """``"tiny"`` (always float32, on the CPU until it trains), or a FLUX.1 Kontext in diffusers' layout.

    Args:
        source: "tiny", a hub name or a folder.
        device: where images and prompts are encoded.
        dtype: of FLUX's weights.
        text_tokens: length of FLUX's prompts; the small one's is its own.

    Raises:
        TrainingError: the folder holds another family of models, or is not there.
    """
    return TinyBase() if source == "tiny" else KontextBase(source, device, dtype, text_tokens)
