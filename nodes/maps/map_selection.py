"""Selects the recorded maps that Attention Map Preview shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ...attention import AttentionError, AttentionMaps, heat_map
from ...attention.maps import MEAN, MEAN_STEP
from ...plain_text import quoted
from .recorded_maps import RecordedMaps, all_quoted, no_maps_error
from .region_mask import CLEAR_CONTRAST, cell_mask, map_contrast, region_names

SpanChoice = Literal["style", "object", "both", "each"]
StepChoice = Literal["mean", "last", "each"]
BlockChoice = Literal["mean", "each"]
SPANS: tuple[SpanChoice, ...] = get_args(SpanChoice)
STEPS: tuple[StepChoice, ...] = get_args(StepChoice)
BLOCKS: tuple[BlockChoice, ...] = get_args(BlockChoice)


@dataclass(frozen=True)
class MapChoice:
    """Which maps are shown.

    Attributes:
        span: the phrases of a role together, or "each" phrase separately.
        step: the mean of all steps, the last step, or each step.
        block: the mean of all blocks, or each block.
        phrase: shows this phrase only and ignores `span`; "" to use `span`.
    """

    span: SpanChoice = "style"
    step: StepChoice = "mean"
    block: BlockChoice = "mean"
    phrase: str = ""


@dataclass(frozen=True)
class ChosenMap:
    """One map: its heat map [h, w] and mask [h, w] in 0..1, and its contrast from 0 to 1.

    Attributes:
        image: index of the image in the batch.
        phrases: the phrases, such as "style: mosaic".
        step_and_block: such as "step 3, single 5"; "" for the mean over all.
    """

    image: int
    phrases: str
    step_and_block: str
    heat: Tensor
    mask: Tensor
    contrast: float

    @property
    def label(self) -> str:
        """Phrases, step and block, such as "style: mosaic, step 3"."""
        return ", ".join(part for part in (self.phrases, self.step_and_block) if part)

    @property
    def contrast_text(self) -> str:
        """The contrast, such as "contrast 0.83" or "contrast 0.21 (weak)"."""
        return f"contrast {self.contrast:.2f}" + (" (weak)" if self.contrast < CLEAR_CONTRAST else "")

    @property
    def captions(self) -> tuple[str, str]:
        """Two lines of text: the phrases; step, block and contrast."""
        return self.phrases, ": ".join(part for part in (self.step_and_block, self.contrast_text) if part)


def chosen_maps(maps: RecordedMaps, choice: MapChoice) -> list[ChosenMap]:
    """The maps of `choice`, ordered by image, phrase, step and block.

    Raises:
        AttentionError: no such map was captured, or steps or blocks to show separately were averaged.
    """
    groups = _phrase_groups(maps, choice)
    return [chosen for image in range(maps.images) for names in groups for chosen in _maps(maps, image, names, choice)]


def _phrase_groups(maps: RecordedMaps, choice: MapChoice) -> list[tuple[str, ...]]:
    """Groups of phrase names; each group is shown as one map."""
    if not maps.spans:
        raise no_maps_error(maps)
    if choice.phrase.strip():
        return [_names_of_phrase(maps, choice.phrase.strip())]
    return [(name,) for name in maps.spans] if choice.span == "each" else [region_names(maps, choice.span)]


def _names_of_phrase(maps: RecordedMaps, phrase: str) -> tuple[str, ...]:
    names = tuple(name for name, span in maps.spans.items() if span.phrase.casefold() == phrase.casefold())
    if not names:
        phrases = dict.fromkeys(span.phrase for span in maps.spans.values())
        raise AttentionError(
            f"No map of {quoted(phrase)} was captured. "
            f"Enter one of {all_quoted(phrases)} in 'phrase', or leave it empty."
        )
    return names


def _maps(maps: RecordedMaps, image: int, names: tuple[str, ...], choice: MapChoice) -> Iterator[ChosenMap]:
    """One map per step and block, with the maximum over the phrases of a group."""
    by_phrase = [_cells_by_step_and_block(maps.read(image, name), choice) for name in names]
    for key in dict.fromkeys(key for cells in by_phrase for key in cells):
        found = [cells[key] for cells in by_phrase if key in cells]  # a phrase may lack some of the steps
        yield ChosenMap(
            image=image,
            phrases=" and ".join(names),
            step_and_block=", ".join(part for part in key if part),
            heat=torch.stack([heat_map(cells) for cells in found]).amax(0),
            mask=torch.stack([cell_mask(cells) for cells in found]).amax(0),
            contrast=max(map_contrast(cells) for cells in found),
        )


def _cells_by_step_and_block(maps: AttentionMaps, choice: MapChoice) -> dict[tuple[str, str], Tensor]:
    """The maps [h, w] of one phrase by (step, block) labels; a label is "" for the mean."""
    _require_kept(maps, choice)
    values = maps.aggregate(steps=choice.step, blocks=choice.block)[:, :, 0]  # [steps, blocks, h, w]
    steps = [f"step {step}" for step in maps.steps] if choice.step == "each" else [choice.step.replace(MEAN, "")]
    blocks = maps.blocks if choice.block == "each" else [""]
    return {
        (step, block): cells
        for step, row in zip(steps, values, strict=True)
        for block, cells in zip(blocks, row, strict=True)
    }


def _require_kept(maps: AttentionMaps, choice: MapChoice) -> None:
    separate = {axis: value for axis, value in (("steps", choice.step), ("blocks", choice.block)) if value != MEAN}
    averaged = {"steps": maps.steps == (MEAN_STEP,), "blocks": maps.blocks == (MEAN,)}
    missing = [axis for axis in separate if averaged[axis]]
    if missing:
        wanted = " and ".join(f"'{separate[axis]}' of the {axis}" for axis in missing)
        raise AttentionError(
            f"The capture kept only a mean over the {' and the '.join(missing)}, so {wanted} cannot be shown. "
            f"Set 'keep' to '{' and '.join(separate)}' and sample again, or choose 'mean'."
        )
