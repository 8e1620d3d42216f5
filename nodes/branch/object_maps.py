"""The objects that the styles of a MODEL name, and their masks while a sampler runs.

The maps come from the same run: each evaluation uses the masks of the maps so far, and adds its own maps. So the first
evaluation has no mask, and no style at the objects.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...attention.phrase_masks import attention_strength, phrase_masks
from ..maps.recorded_maps import RecordedMaps
from ..maps.region_spans import RegionSpan
from ..notice import Notice
from .named_objects import NamedObject


class ObjectMaps:
    """Maps and masks of the named objects during one run.

    Args:
        objects: the objects of all styles. Styles of one object share its mask.
    """

    def __init__(self, objects: Iterable[NamedObject]) -> None:
        self.objects = {each.name: each for each in objects}
        self.maps = RecordedMaps(keep="mean only")
        self._held: dict[str, Tensor] = {}
        self._tokens = 0

    def find_spans(self, conds: Mapping[str, list[dict[str, Any]]]) -> dict[Any, tuple[RegionSpan, ...]]:
        """The words of the objects in each of a guider's conditionings, by id; without the negative ones.

        Raises:
            AttentionError: the prompt does not know its words, or no prompt contains an object.
        """
        wanted = [cond for name, group in conds.items() if name != "negative" for cond in group]
        for each in self.objects.values():
            each.require_in(wanted)
        return {cond["uuid"]: tuple(self._spans(cond)) for cond in wanted}

    def masks(self, step: int, tokens: int) -> dict[str, Tensor]:
        """The mask [images, h, w] of each object, by name, from the maps so far; empty before the first maps.

        Args:
            step: the current step, from 0.
            tokens: number of tokens of the model's calls: text, image and references.
        """
        self._tokens = tokens
        if not all(name in self.maps.spans for name in self.objects):
            return {}
        maps = torch.stack([self._mean(name) for name in self.objects], dim=1)  # [images, P, h, w]
        found = self._found(maps)
        maps = maps * found[..., None, None]  # an even map has no mask, and takes no cell from the other objects
        masks = phrase_masks(maps, [each.rule for each in self.objects.values()])
        fresh = dict(zip(self.objects, masks.unbind(1), strict=True))
        for name, each in self.objects.items():
            if each.hold_from is not None and step >= each.hold_from:
                self._held.setdefault(name, fresh[name])
        return {
            name: self._held.get(name, mask) for name, mask in fresh.items() if step >= self.objects[name].from_step
        }

    def absent(self) -> dict[str, list[int]]:
        """The objects that were not found at the end of a run, by name, each with its images, counted from 0."""
        if not all(name in self.maps.spans for name in self.objects):
            return {}
        found = self._found(torch.stack([self._mean(name) for name in self.objects], dim=1))
        columns = zip(self.objects, found.T, strict=True)
        images = {name: (~of_object).nonzero().flatten().tolist() for name, of_object in columns}
        return {name: numbers for name, numbers in images.items() if numbers}

    def begin(self) -> None:
        """Forgets the masks of the last run."""
        self._held.clear()

    def _found(self, maps: Tensor) -> Tensor:
        """Whether each image has each object, bool [images, P], from the maps [images, P, h, w]."""
        least = torch.tensor([each.least_attention for each in self.objects.values()])
        return attention_strength(maps, self._tokens) >= least

    def _mean(self, name: str) -> Tensor:
        return torch.stack([self.maps.mean(image, name) for image in range(self.maps.images)])

    def _spans(self, cond: Mapping[str, Any]) -> Iterable[RegionSpan]:
        return (span for each in self.objects.values() if (span := each.span_in(cond)) is not None)


def absent_notice(name: str, images: Sequence[int], count: int) -> Notice:
    """Says that an object was not found.

    Args:
        name: name of the object's maps, such as "object: guitar".
        images: numbers of the images without it, from 0.
        count: number of images of the batch.
    """
    phrase, where = name.partition(": ")[2], "the image"
    if count > 1:
        where = "image " + ", ".join(str(number + 1) for number in images)
    return Notice(
        f"Not in {where}: {phrase}.",
        f'The object "{phrase}" was not found in {where}: its words get hardly any attention there. So its style was '
        "not applied. Name an object that the image shows, or give a mask.",
    )
