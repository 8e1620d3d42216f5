"""Bakes a style: writes its experts as a plain LoRA, which needs neither this pack nor the experts."""

import os
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from ..errors import StyleExpertError
from ..plain_text import plain
from .expert import StyleExpert
from .lora import lora_state
from .mixing import mix
from .saving import write_atomically
from .siglip import SiglipVision, encode_images
from .style import Style, clean_name, encoder_id, require_style
from .thumbnail import make_thumbnail, side_by_side

PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
"""Number formats of a LoRA file by name."""
MAX_STRIPS = 4
"""Most style images that a thumbnail shows side by side."""


def reads_style_image(expert: StyleExpert) -> bool:
    """Whether the experts were trained with the style image as a second reference."""
    return expert.style_rows is not None


def encode_style(
    expert: StyleExpert, vision: SiglipVision, images: Sequence[Tensor], weights: Sequence[float] = ()
) -> Style:
    """Encode style images to one style, as the node Encode Style does.

    Args:
        expert: the experts whose encoder reads the images.
        vision: the vision model that the encoder was trained on.
        images: each [H, W, 3] in 0..1.
        weights: a weight for each image; empty for their plain mean.

    Raises:
        StyleExpertError: there is no image or no encoder, or the vision model or the weights do not fit.
    """
    if not images:
        raise StyleExpertError("There is no style image. Give at least one.")
    encoder = expert.encoder
    vision.require_fit(encoder.config)
    return style_of(encode_images(vision, encoder, images), images, encoder_id(encoder), weights)


def style_of(embeddings: Tensor, images: Sequence[Tensor], encoder: str, weights: Sequence[float] = ()) -> Style:
    """One style from the embeddings [N, cond_dim] of N images; without weights, their plain mean."""
    return Style(
        embedding=mix(embeddings, weights) if weights else embeddings.mean(dim=0, keepdim=True),
        num_references=len(embeddings),
        encoder_id=encoder,
        thumbnail=side_by_side([make_thumbnail(image) for image in images[:MAX_STRIPS]]),
    )


def save_style_lora(
    path: str | os.PathLike[str],
    expert: StyleExpert,
    style: Style | None,
    strength: float = 1.0,
    precision: str = "float16",
) -> None:
    """Write a style as a plain LoRA in diffusers' layout. If this is interrupted, an old file stays unchanged.

    Args:
        path: the .safetensors file to write.
        expert: the experts.
        style: the style; None for experts that are a plain LoRA themselves.
        strength: strength of the style at LoRA scale 1.
        precision: a name in `PRECISIONS`.

    Raises:
        StyleExpertError: the strength is not finite, the style does not fit the experts, a number is too large for
            the precision, or the file cannot be written.
    """
    if not isfinite(strength):
        raise StyleExpertError(f"The strength is {strength}, expected a finite number, such as 1.")
    state = lora_state(expert.collapse(require_style(expert, style), strength), PRECISIONS[precision])
    metadata = {
        "format": "pt",
        "source": plain(expert.path.name),
        "style": clean_name(style.name) if style else "",
        "style_reference": str(reads_style_image(expert)).lower(),
    }
    if expert.style_rows is not None:
        metadata["style_rows"] = str(expert.style_rows)
    write_atomically(Path(path), state, metadata, check=False)
