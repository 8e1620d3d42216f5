"""Chooses among recorded maps what is to be shown."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...attention import AttentionError, AttentionMaps, heat_map
from ...attention.maps import MEAN, MEAN_STEP
from .recorded_maps import RecordedMaps, listed, nothing_captured
from .region_mask import cell_mask, certainty, phrases_of

EACH = "each"
SPANS, STEPS, BLOCKS = ("style", "object", "both", EACH), ("mean", "last", EACH), ("mean", EACH)


@dataclass(frozen=True)
class MapChoice:
    """What is to be shown.

    Attributes:
        span: of SPANS; the phrases of a role together, or each by itself.
        step: of STEPS.
        block: of BLOCKS.
        phrase: this one alone, whatever `span` is; "": none.
    """

    span: str = "style"
    step: str = "mean"
    block: str = "mean"
    phrase: str = ""


@dataclass(frozen=True)
class ChosenMap:
    """One map: heat [h, w] and mask [h, w] in 0..1, and how sure it is, 0 to 1.

    Attributes:
        image: which of the batch.
        phrases: whose it is, such as "style: mosaic".
        place: of which step and block, such as "step 3, single 5"; "" where all are averaged.
    """

    image: int
    phrases: str
    place: str
    heat: Tensor
    mask: Tensor
    certainty: float

    @property
    def label(self) -> str:
        """What it shows, such as "style: mosaic, step 3"."""
        return ", ".join(part for part in (self.phrases, self.place) if part)

    @property
    def sure(self) -> str:
        """The certainty in words."""
        return f"{self.certainty:.0%} sure"

    @property
    def captions(self) -> tuple[str, str]:
        """What it shows, and of where, with how sure it is."""
        return self.phrases, ": ".join(part for part in (self.place, self.sure) if part)


def chosen_maps(maps: RecordedMaps, choice: MapChoice) -> list[ChosenMap]:
    """The maps of `choice`: images first, then phrases, steps, blocks.

    Raises:
        AttentionError: there is none, or what was asked for apart was averaged while it was captured.
    """
    groups = _groups(maps, choice)
    return [chosen for image in range(maps.images) for names in groups for chosen in _of(maps, image, names, choice)]


def _groups(maps: RecordedMaps, choice: MapChoice) -> list[tuple[str, ...]]:
    """Names of phrases that are shown together."""
    if not maps.spans:
        raise nothing_captured()
    if wanted := choice.phrase.strip().casefold():
        names = tuple(name for name, span in maps.spans.items() if span.phrase.casefold() == wanted)
        if not names:
            phrases = dict.fromkeys(span.phrase for span in maps.spans.values())
            raise AttentionError(
                f'No map of "{choice.phrase.strip()}" was captured; there are {listed(phrases)}: write one of them in '
                "'phrase', as it stands there, or leave it empty."
            )
        return [names]
    return [(name,) for name in maps.spans] if choice.span == EACH else [phrases_of(maps, choice.span)]


def _of(maps: RecordedMaps, image: int, names: tuple[str, ...], choice: MapChoice) -> Iterator[ChosenMap]:
    by_phrase = [_by_place(maps.read(image, name), choice) for name in names]
    for place in dict.fromkeys(place for cells in by_phrase for place in cells):
        # A phrase may have been there at some of the steps only.
        found = [cells[place] for cells in by_phrase if place in cells]
        yield ChosenMap(
            image=image,
            phrases=" and ".join(names),
            place=", ".join(part for part in place if part),
            heat=torch.stack([heat_map(cells) for cells in found]).amax(0),
            mask=torch.stack([cell_mask(cells) for cells in found]).amax(0),
            certainty=max(certainty(cells) for cells in found),
        )


def _by_place(maps: AttentionMaps, choice: MapChoice) -> dict[tuple[str, str], Tensor]:
    """The maps [h, w] of one phrase by step and block, in words; "" where they are averaged."""
    _require_kept(maps, choice)
    values = maps.aggregate(steps=choice.step, blocks=choice.block)[:, :, 0]
    steps = [f"step {step}" for step in maps.steps] if choice.step == EACH else [choice.step.replace(MEAN, "")]
    blocks = maps.blocks if choice.block == EACH else [""]
    return {
        (step, block): cells
        for step, row in zip(steps, values, strict=True)
        for block, cells in zip(blocks, row, strict=True)
    }


def _require_kept(maps: AttentionMaps, choice: MapChoice) -> None:
    apart = {axis: chosen for axis, chosen in (("steps", choice.step), ("blocks", choice.block)) if chosen != MEAN}
    averaged = {"steps": maps.steps == (MEAN_STEP,), "blocks": maps.blocks == (MEAN,)}
    missing = [axis for axis in apart if averaged[axis]]
    if missing:
        wanted = " and ".join(f"'{apart[axis]}' of the {axis}" for axis in missing)
        raise AttentionError(
            f"The maps were averaged over the {' and the '.join(missing)} while they were captured, so that {wanted} "
            f"cannot be shown; set 'keep' to '{' and '.join(apart)}' and sample again, or choose mean."
        )
