"""Styles from the files of a command: images, and files of Save Style."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import StyleExpertError
from ..moe import Style, StyleExpert, load_style
from ..moe.baking import encode_style
from ..moe.mixing import weight_shares
from ..moe.siglip import SiglipVision
from ..moe.style import mix_styles, require_style
from ..storage.image_tensor import read_image_tensor

STYLE_SUFFIX = ".safetensors"


def is_image(path: Path) -> bool:
    """Whether a style's file is an image; otherwise it is a file of Save Style."""
    return path.suffix.lower() != STYLE_SUFFIX


def read_style(
    expert: StyleExpert, files: Sequence[Path], weights: Sequence[float], load_vision: Callable[[], SiglipVision]
) -> Style | None:
    """One style from all files; None for experts that are a plain LoRA.

    Images without weights give their plain mean, as in Encode Style. All other combinations are mixed.

    Args:
        expert: the experts.
        files: style images, and files of Save Style.
        weights: a weight for each file, or none.
        load_vision: loads the vision model; called only if there are images.

    Raises:
        StyleRouteError: a file cannot be read, or files, weights and experts do not fit together.
    """
    if expert.config.is_lora:
        if files:
            raise StyleExpertError(f"{expert.path.name} is a plain LoRA of one style. Leave out the styles.")
        return None
    if not files:
        raise StyleExpertError(
            f"{expert.path.name} needs a style to choose among its {expert.config.num_experts} experts. Give one or "
            "more images or saved styles."
        )
    if weights:
        weight_shares(weights, len(files))
    pixels = {path: read_image_tensor(path) for path in files if is_image(path)}
    saved = {path: load_style(path) for path in files if not is_image(path)}
    for style in saved.values():
        require_style(expert, style)
    if not pixels:
        return _mixed([saved[path] for path in files], weights)
    vision = _fitting(expert, load_vision)
    if not saved:
        return encode_style(expert, vision, [pixels[path] for path in files], weights)
    styles = {path: replace(encode_style(expert, vision, [one]), name=path.stem) for path, one in pixels.items()}
    return _mixed([(saved | styles)[path] for path in files], weights)


def _fitting(expert: StyleExpert, load_vision: Callable[[], SiglipVision]) -> SiglipVision:
    """The vision model, checked against the encoder."""
    if expert.encoder_config is None:
        raise StyleExpertError(f"{expert.path.name} holds no style encoder. Give its file with --encoder.")
    vision = load_vision()
    vision.require_fit(expert.encoder_config)
    return vision


def _mixed(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    return styles[0] if len(styles) == 1 else mix_styles(styles, weights or [1.0] * len(styles))
