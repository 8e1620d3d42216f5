"""Which objects are painted in which styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ...dataset.region_manifest import Region, RegionExample
from ...errors import TrainingError
from ...progress import console
from ...storage.image_reader import read_mask
from ..images import SIDE

Thing = tuple[Path, str]
"""A scene and the object in it."""


@dataclass(frozen=True)
class RegionTrials:
    """Every style on every object.

    Attributes:
        styles: S names.
        things: P objects, each in a scene of its own.
        examples: S x P, style by style.
        teacher: every test example, for what the teacher's images of a style have in common.
    """

    styles: list[str]
    things: list[Thing]
    examples: list[RegionExample]
    teacher: list[RegionExample]

    @cached_property
    def by_style(self) -> dict[str, list[RegionExample]]:
        """P examples a style."""
        return {style: [row for row in self.examples if region_of(row).style == style] for style in self.styles}


def region_of(example: RegionExample) -> Region:
    """The only region of an example."""
    return example.regions[0]


def styles_of(examples: Sequence[RegionExample]) -> list[str]:
    """The different styles of examples with one region, in their order."""
    return list(dict.fromkeys(region_of(row).style for row in examples if len(row.regions) == 1))


def choose_trials(examples: Sequence[RegionExample], styles: Sequence[str], scenes: int) -> RegionTrials:
    """One object of each of the first `scenes` scenes, one that is there in every style.

    Of a scene with several it is the first and the last by turns: scenes name their objects from the left, and a map
    that always looks left must not pass for one that reads the word.

    Args:
        examples: of the test split; those with several regions are passed over.
        styles: to paint in.
        scenes: how many; fewer if there are not so many, which is printed.

    Raises:
        TrainingError: no object is there in all styles.
    """
    single = [row for row in examples if len(row.regions) == 1]
    found = {(row.original, region_of(row).object, region_of(row).style): row for row in reversed(single)}
    there: dict[Path, list[str]] = {}
    for row in single:
        thing = region_of(row).object
        if all((row.original, thing, style) in found for style in styles):
            there.setdefault(row.original, []).append(thing)
    if not there:
        raise TrainingError(f"no object of the test split is there in all of {', '.join(styles)}: make more of it")
    if len(there) < scenes:
        console.print(f"Only {len(there)} scenes are there in all styles; {scenes} were asked for")
    chosen = list(there.items())[:scenes]
    things = [(scene, objects[-(number % 2)]) for number, (scene, objects) in enumerate(chosen)]
    rows = [found[original, thing, style] for style in styles for original, thing in things]
    return RegionTrials(list(styles), things, rows, single)


def open_mask(path: Path) -> np.ndarray:
    """A mask as [256, 256] in 0..1, 1 inside: the middle, resized where it is of another size.

    Raises:
        TrainingError: it is all black.
    """
    values = read_mask(path)
    if not values.any():
        raise TrainingError(f"{path} shows no object, it is all black: remove its example from the manifest")
    grey = Image.fromarray((values * 255).round().astype(np.uint8))
    fitted = np.asarray(ImageOps.fit(grey, (SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    return fitted / max(fitted.max(), 1)
