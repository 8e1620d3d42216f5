"""Variants of region expert training for `styleroute evaluate regions`: the full method, and one change each."""

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
from ..adapters.config import with_options
from .config import PRESETS, RELEASE, RegionTrainConfig

VARIANT_RUNS = RUNS / "region_variants"
SMALL = with_options(PRESETS["small"], run=VARIANT_RUNS, validate_every=0)
"""Default options of all variants."""

Change = Callable[[RegionTrainConfig], RegionTrainConfig]

FULL = "full"
NO_ATTENTION, NO_COVER, NO_FOCUS = "no attention loss", "without Cover", "without Focus"
RELEASE_ALL = "release, all choices"


def _with(**changes: Any) -> Change:
    return lambda config: with_options(config, **changes)


def _release_losses(*names: str) -> Change:
    """Sets these fields of the attention losses to the release's values."""
    changes = {name: getattr(LOSSES["release"], name) for name in names}
    return lambda config: with_options(config, losses=replace(config.objective.losses, **changes))


def _release_slice(config: RegionTrainConfig) -> RegionTrainConfig:
    """The softmax runs over the style's own tokens. Their mean is constant, so each token is supervised on its own."""
    losses = replace(config.objective.losses, slice=LOSSES["release"].slice)
    return with_options(config, losses=losses, supervise=RELEASE["supervise"])


def _release_pace(config: RegionTrainConfig) -> RegionTrainConfig:
    """A tenth of the rate and twice the steps: the release has 1e-5 and 10,000, the paper 1e-4 and 5,000."""
    pace = config.optimisation
    return with_options(config, rate=pace.rate / 10, steps=2 * pace.steps)


RELEASE_CHOICES: dict[str, Change] = {
    "release's attention slice": _release_slice,
    "release's blocks": _with(blocks=RELEASE["blocks"], supervise=RELEASE["supervise"]),
    "release's Focus direction": _release_losses("direction"),
    "release's tau and alpha": _release_losses("tau", "alpha", "relative"),
    "release's loss weights": _release_losses("focus_weight", "cover_weight"),
    "release's rate and steps": _release_pace,
    "release's context position": _with(reference_index=RELEASE["reference_index"]),
}
"""Each difference between release and paper, on its own."""

VARIANTS: dict[str, Change] = {
    FULL: _with(),
    NO_ATTENTION: _with(without="attention"),
    NO_COVER: _with(without="cover"),
    NO_FOCUS: _with(without="focus"),
    RELEASE_ALL: _with(**RELEASE),
    **RELEASE_CHOICES,
}
"""The change of each variant, by its name; the most informative variants come first."""

STEMS = {style_stem(name): name for name in VARIANTS}
"""Names of the variants by the names of their folders."""


def config_of(name: str, config: RegionTrainConfig) -> RegionTrainConfig:
    """The configuration of a variant, with a folder of its own inside the run's folder."""
    return with_options(VARIANTS[name](config), run=config.run.folder / style_stem(name), output=None)


def variant_file(runs: Path, name: str, style: str) -> Path:
    """Path of a variant's LoRA for a style."""
    return runs / style_stem(name) / f"{style_stem(style)}.safetensors"


def train_variants(config: RegionTrainConfig, only: Sequence[str] = ()) -> None:
    """Train the variants in turn, each for all styles. Finished runs are skipped, stopped runs resume.

    Args:
        config: the configuration of the full method.
        only: folder names of the variants to train; by default all.

    Raises:
        DataError, TrainingError, AttentionError: dataset, base model or options do not fit together.
    """
    from .train_regions import train_regions

    if unknown := [stem for stem in only if stem not in STEMS]:
        raise TrainingError(f"there is no variant {unknown[0]!r}: give --only with one of {', '.join(STEMS)}")
    ends = time.monotonic() + config.run.minutes * 60
    for name in (STEMS[stem] for stem in only or STEMS):
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            console.print(f"The time limit came before {name}; run the same command again to continue")
            return
        console.print(f"Variant: {name}")
        train_regions(with_options(config_of(name, config), minutes=left))
