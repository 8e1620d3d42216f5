"""The objects that the styles of a MODEL name, and their masks while a sampler runs.

The maps come from the same run: each evaluation uses the masks of the maps so far, and adds its own maps. So the first
evaluation has no mask, and no style at the objects.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...attention.phrase_masks import phrase_masks
from ..maps.prompt_text import PromptText, prompt_text_in, require_phrase
from ..maps.recorded_maps import RecordedMaps
from ..maps.region_spans import RegionSpan
from .places import ObjectPhrase


class ObjectMaps:
    """Maps and masks of the named objects during one run.

    Args:
        objects: the objects of all styles. Styles with the same phrase share its mask.
    """

    def __init__(self, objects: Iterable[ObjectPhrase]) -> None:
        self.objects = {each.phrase: each for each in objects}
        self.maps = RecordedMaps(keep="mean only")
        self._held: dict[str, Tensor] = {}

    def find_spans(self, conds: Mapping[str, list[dict[str, Any]]]) -> dict[Any, tuple[RegionSpan, ...]]:
        """The tokens of the objects in each of a guider's conditionings, by id; without the negative ones.

        Raises:
            AttentionError: the prompt does not know its words, or no prompt contains an object.
        """
        wanted = [cond for name, group in conds.items() if name != "negative" for cond in group]
        prompts = {cond["uuid"]: prompt for cond in wanted if (prompt := prompt_text_in(cond)) is not None}
        for phrase in self.objects:
            require_phrase(list(prompts.values()), phrase)
        return {uuid: tuple(self._spans(prompt)) for uuid, prompt in prompts.items()}

    def masks(self, step: int) -> dict[str, Tensor]:
        """The mask [images, h, w] of each object from the maps so far; empty before the first maps.

        Args:
            step: the current step, from 0.
        """
        names = {phrase: _span(phrase, ()).name for phrase in self.objects}
        if not all(name in self.maps.spans for name in names.values()):
            return {}
        maps = torch.stack([self._mean(name) for name in names.values()], dim=1)  # [images, P, h, w]
        masks = phrase_masks(maps, [each.rule for each in self.objects.values()])
        fresh = dict(zip(names, masks.unbind(1), strict=True))
        for phrase, each in self.objects.items():
            if each.hold_from is not None and step >= each.hold_from:
                self._held.setdefault(phrase, fresh[phrase])
        return fresh | self._held

    def begin(self) -> None:
        """Forgets the masks of the last run."""
        self._held.clear()

    def _mean(self, name: str) -> Tensor:
        return torch.stack([self.maps.mean(image, name) for image in range(self.maps.images)])

    def _spans(self, prompt: PromptText) -> Sequence[RegionSpan]:
        found = ((phrase, prompt.tokens_of(phrase)) for phrase in self.objects)
        return [_span(phrase, tokens) for phrase, tokens in found if tokens]


def _span(phrase: str, tokens: tuple[int, ...]) -> RegionSpan:
    return RegionSpan(phrase, "object", tokens)
