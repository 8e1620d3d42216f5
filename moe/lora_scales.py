"""The scale of each layer of a plain LoRA, by the rules of PEFT, diffusers and kohya."""

import math
from collections.abc import Mapping
from pathlib import Path

from ..errors import StyleExpertError
from ..plain_text import short
from .config import ExpertConfig
from .formats import ALPHA, FileKeys
from .header import Header
from .peft_config import PeftConfig

SAME = 1e-4
"""Relative difference up to which two scales are equal: an alpha may be stored in 16 bits."""


def lora_scales(
    path: Path,
    ranks: Mapping[str, int],
    alphas: Mapping[str, float],
    peft: PeftConfig | None,
    entry: ExpertConfig | None,
) -> dict[str, float]:
    """The factor of B @ A in each layer.

    In this order: the layer's own tensor `alpha` (alpha / r), our header entry, PEFT's configuration, else 1.

    Args:
        path: the file, for messages.
        ranks: rank r of each layer, from its tensors.
        alphas: the tensors `alpha` of the layers that have one.
        peft: PEFT's configuration, if there is one.
        entry: the configuration in our header entry, if there is one.

    Raises:
        StyleExpertError: an alpha is not finite, or two sources contradict each other.
    """
    if peft is not None:
        _require_ranks(path, ranks, peft)
    scales = {}
    for layer, rank in ranks.items():
        from_peft = None if peft is None else peft.scale(layer, rank)
        if layer in alphas:
            scales[layer] = _require_agreement(path, layer, alphas[layer] / rank, from_peft)
        elif entry is not None:
            scales[layer] = entry.scale_at(rank)
        else:
            scales[layer] = 1.0 if from_peft is None else from_peft
    return scales


def alpha_keys(header: Header, found: FileKeys) -> dict[str, str]:
    """By layer, the key of the tensor `alpha` of a plain LoRA, for the layers that have one.

    Raises:
        StyleExpertError: an alpha is not one floating-point number.
    """
    keys = {layer: parts[ALPHA] for layer, parts in found.layers.items() if ALPHA in parts}
    for key in keys.values():
        entry = header.tensors[key]
        if math.prod(entry.shape) != 1 or not entry.is_float:
            raise StyleExpertError(
                f"{short(key)} in {header.path.name} is {entry.dtype} of shape {list(entry.shape)}, expected one "
                "floating-point number. Save the file again."
            )
    return keys


def _require_ranks(path: Path, ranks: Mapping[str, int], peft: PeftConfig) -> None:
    for layer, rank in ranks.items():
        named = peft.rank_of(layer)
        if named is not None and named != rank:
            raise StyleExpertError(
                f"{peft.source} gives {layer} the rank {named:g}, but its tensors in {path.name} have rank {rank}. "
                "Use the configuration and the weights of one training."
            )


def _require_agreement(path: Path, layer: str, scale: float, from_peft: float | None) -> float:
    if not math.isfinite(scale):
        raise StyleExpertError(
            f"The alpha of {layer} in {path.name} is no finite number. Use another copy of the file."
        )
    if from_peft is not None and not math.isclose(scale, from_peft, rel_tol=SAME):
        raise StyleExpertError(
            f"{path.name} has two scales for {layer}: {scale:g} from its alpha, {from_peft:g} from PEFT's "
            "configuration. Remove one of the two."
        )
    return scale
