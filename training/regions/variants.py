"""The ways to train a region expert that the evidence compares: the full one, and others with one choice changed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...attention import PRESETS as LOSSES
from ...attention.phrases import style_stem
from ...errors import TrainingError
from ...paths import RUNS
from ...progress import console
from .config import PRESETS, RELEASE, RegionTrainConfig

VARIANT_RUNS = RUNS / "region_variants"
SMALL = replace(PRESETS["small"], run=VARIANT_RUNS, validate_every=0)
"""What the variants are trained with unless told otherwise, all the same."""

Change = Callable[[RegionTrainConfig], RegionTrainConfig]

FULL = "full"
NO_ATTENTION, NO_COVER, NO_FOCUS = "no attention loss", "without Cover", "without Focus"
RELEASE_ALL = "release, all choices"


def _with(**changes: Any) -> Change:
    return lambda config: replace(config, **changes)


def _release_losses(*names: str) -> Change:
    """The named choices of the losses as the release makes them."""
    changes = {name: getattr(LOSSES["release"], name) for name in names}
    return lambda config: replace(config, losses=replace(config.losses, **changes))


def _release_slice(config: RegionTrainConfig) -> RegionTrainConfig:
    """Over the style's own tokens; their mean would be the same everywhere, so each token is supervised for itself."""
    return replace(config, losses=replace(config.losses, slice=LOSSES["release"].slice), supervise=RELEASE["supervise"])


def _release_pace(config: RegionTrainConfig) -> RegionTrainConfig:
    """A tenth of the rate for twice as long, as the release's 1e-5 and 10,000 beside the paper's 1e-4 and 5,000."""
    return replace(config, rate=config.rate / 10, steps=2 * config.steps)


RELEASE_CHOICES: dict[str, Change] = {
    "release's attention slice": _release_slice,
    "release's blocks": _with(blocks=RELEASE["blocks"], supervise=RELEASE["supervise"]),
    "release's Focus direction": _release_losses("direction"),
    "release's tau and alpha": _release_losses("tau", "alpha", "relative"),
    "release's loss weights": _release_losses("focus_weight", "cover_weight"),
    "release's rate and steps": _release_pace,
    "release's context position": _with(reference_index=RELEASE["reference_index"]),
}
"""Each point where the release differs from the paper, alone."""

VARIANTS: dict[str, Change] = {
    FULL: _with(),
    NO_ATTENTION: _with(without="attention"),
    NO_COVER: _with(without="cover"),
    NO_FOCUS: _with(without="focus"),
    RELEASE_ALL: _with(**RELEASE),
    **RELEASE_CHOICES,
}
"""By name, what is changed; those that tell most come first."""

STEMS = {style_stem(name): name for name in VARIANTS}
"""The variants by the names of their folders."""


def config_of(name: str, config: RegionTrainConfig) -> RegionTrainConfig:
    """The configuration of a variant, in a folder of its own within `config.run`."""
    return replace(VARIANTS[name](config), run=config.run / style_stem(name), output=None)


def variant_file(runs: Path, name: str, style: str) -> Path:
    """Where a variant's LoRA of a style is."""
    return runs / style_stem(name) / f"{style_stem(style)}.safetensors"


def train_variants(config: RegionTrainConfig, only: Sequence[str] = ()) -> None:
    """Train the variants in turn, each in all styles; what is finished is passed over, what was stopped goes on.

    Args:
        config: of the full method.
        only: stems of the variants to train; by default all.

    Raises:
        DataError, TrainingError, AttentionError: something does not fit.
    """
    from .training import train_regions

    if unknown := [stem for stem in only if stem not in STEMS]:
        raise TrainingError(f"there is no variant {unknown[0]!r}: give --only of {', '.join(STEMS)}")
    ends = time.monotonic() + config.minutes * 60
    for name in (STEMS[stem] for stem in only or STEMS):
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            console.print(f"Time is up before {name}; the same command goes on from there")
            return
        console.print(f"Variant: {name}")
        train_regions(replace(config_of(name, config), minutes=left))
