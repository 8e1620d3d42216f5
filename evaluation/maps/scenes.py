"""Scenes with known masks for measuring maps: one or two named objects, which no region training has seen."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...attention import resize
from ...dataset.objects import load_objects
from ...dataset.photos import load_photos
from ...dataset.region_manifest import read_manifest
from ...dataset.region_scenes import ObjectScenesConfig, RegionScenes
from ...errors import TrainingError
from ...storage.image_reader import read_image, read_mask
from ...training.bases import Base
from ...training.regions.grounding import scenes_of, write_prompt
from ...training.regions.spans import mention_span
from .config import CalibrationConfig

PIXELS = 16
"""Side of a map's cell in pixels."""
MOST = 50
"""Drawn scenes per wanted scene, after which the search for scenes with one and with two objects ends."""


@dataclass(frozen=True, eq=False)
class MapScene:
    """One image with its prompt.

    Attributes:
        image: uint8 [H, W, 3].
        prompt: names the objects, such as "a teapot and a trophy".
        spans: the tokens of each object's name.
        masks: [S, h, w], the share of each cell that each object covers.
    """

    image: np.ndarray
    prompt: str
    spans: list[tuple[int, ...]]
    masks: Tensor


def load_scenes(config: CalibrationConfig, base: Base) -> dict[int, list[MapScene]]:
    """The scenes by their number of objects, 1 and 2.

    Every second scene names its objects in the opposite order, because the place of an object must not follow from its
    place in the prompt.

    Raises:
        DataError: the folder is no dataset, or a download failed.
        TrainingError: the dataset has no scene with one or two objects, or the scenes differ in size.
        AttentionError: a name lies behind the last token of a prompt.
    """
    found: dict[int, list[MapScene]] = {1: [], 2: []}
    for image, masks in _images(config):
        group = found.get(len(masks))
        if group is None or len(group) == config.scenes:
            continue
        group.append(_scene(image, masks, len(group) % 2 == 1, base))
        if all(len(group) == config.scenes for group in found.values()):
            break
    found = {count: group for count, group in found.items() if group}
    sizes = {scene.image.shape for group in found.values() for scene in group}
    if len(sizes) != 1:
        what = "no scene with one or two objects" if not sizes else f"scenes of {len(sizes)} sizes"
        raise TrainingError(
            f"{config.data} has {what}, expected scenes of one size with one or two objects: make the dataset with "
            "`styleroute data objects`"
        )
    return found


def _scene(image: np.ndarray, masks: dict[str, np.ndarray], backwards: bool, base: Base) -> MapScene:
    names = list(masks)[::-1] if backwards else list(masks)
    prompt, mentions = write_prompt(names)
    spans = [mention_span(base.tokenizer, prompt, mention, (), base.text_sizes[0]).tokens for mention in mentions]
    cells = (image.shape[0] // PIXELS, image.shape[1] // PIXELS)
    covered = torch.stack([torch.from_numpy(masks[name]).float() for name in names])
    return MapScene(image, prompt, spans, resize(covered, cells))


def _images(config: CalibrationConfig) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Images [H, W, 3] with the mask [H, W] in 0..1 of each object."""
    if config.data is not None:
        for original, regions in scenes_of(read_manifest(config.data, "test")).items():
            masks = {region.object: np.asarray(read_mask(region.mask)) for region in regions}
            yield np.asarray(read_image(original)), masks
        return
    drawn = ObjectScenesConfig(test_scenes=MOST * config.scenes, seed=config.seed, size=config.size)
    for scene in RegionScenes("test", drawn, load_photos("test", config.cache), load_objects(config.cache)):
        yield scene.image, {name: mask.astype(np.float32) / 255 for name, mask in scene.masks.items()}
