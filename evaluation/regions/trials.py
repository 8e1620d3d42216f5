"""The trials: which objects are stylised in which styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ...dataset.region_manifest import Region, RegionExample
from ...errors import TrainingError
from ...progress import console
from ...storage.image_reader import read_mask
from ..images import fit_square

SceneObject = tuple[Path, str]
"""A scene and the name of an object in it."""


@dataclass(frozen=True)
class RegionTrials:
    """Every style on every object.

    Attributes:
        styles: S names.
        objects: P objects, each in a scene of its own.
        examples: S x P, style by style.
        teacher: all test examples with one region, for the centroids of the teacher's images.
    """

    styles: list[str]
    objects: list[SceneObject]
    examples: list[RegionExample]
    teacher: list[RegionExample]


def region_of(example: RegionExample) -> Region:
    """The only region of an example."""
    return example.regions[0]


def scene_object(example: RegionExample) -> SceneObject:
    """The scene and the object of an example with one region."""
    return example.original, region_of(example).object


def styles_of(examples: Sequence[RegionExample]) -> list[str]:
    """The different styles of the examples with one region, in their order."""
    return list(dict.fromkeys(region_of(row).style for row in examples if len(row.regions) == 1))


def choose_trials(examples: Sequence[RegionExample], styles: Sequence[str], scenes: int) -> RegionTrials:
    """One object, which exists in every style, of each of the first `scenes` scenes.

    In scenes with several objects the choice alternates between the first and the last. Scenes list their objects from
    the left, and a map that always lies on the left must not pass for a map that follows the phrase.

    Args:
        examples: the test split; examples with several regions are left out.
        styles: the styles to evaluate.
        scenes: number of scenes. If there are fewer, all are used and this is printed.

    Raises:
        TrainingError: no object exists in all styles.
    """
    single = [row for row in examples if len(row.regions) == 1]
    by_object_and_style = {(*scene_object(row), region_of(row).style): row for row in reversed(single)}
    candidates: dict[Path, list[str]] = {}
    for row in single:
        if all((*scene_object(row), style) in by_object_and_style for style in styles):
            candidates.setdefault(row.original, []).append(region_of(row).object)
    if not candidates:
        raise TrainingError(
            f"no object of the test split exists in all of the styles {', '.join(styles)}: make a larger dataset"
        )
    if len(candidates) < scenes:
        console.print(f"Only {len(candidates)} scenes exist in all styles, fewer than the {scenes} of --scenes")
    chosen = list(candidates.items())[:scenes]
    objects = [(scene, names[-(number % 2)]) for number, (scene, names) in enumerate(chosen)]
    rows = [by_object_and_style[(*each, style)] for style in styles for each in objects]
    return RegionTrials(list(styles), objects, rows, single)


def open_mask(path: Path) -> np.ndarray:
    """The middle square of a mask, [256, 256] in 0..1, 1 inside the object.

    Raises:
        DataError: the file cannot be read as an image.
        TrainingError: the mask is all black.
    """
    values = read_mask(path)
    if not values.any():
        raise TrainingError(f"the mask {path} is all black, expected an object: remove its example from the manifest")
    grey = Image.fromarray((values * 255).round().astype(np.uint8))
    fitted = np.asarray(fit_square(grey), dtype=np.float32)
    return fitted / max(fitted.max(), 1)
