"""What each conditioning of a guider says about styles: how strongly they act, and what its references show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FACTOR_KEY = "styleroute_style_factor"
"""Key of a factor of all styles in the options of each text in a CONDITIONING; 0 means a prompt without styles."""

Conds = Mapping[str, Sequence[Mapping[str, Any]]]
"""A guider's conditionings, by kind ("positive", "negative")."""


@dataclass(frozen=True)
class PromptStyles:
    """One conditioning.

    Attributes:
        factor: factor of all styles.
        references: the number that each reference latent has in the positive prompt, from 0. A negative prompt may
            hold the style image alone, which is number 1 in the positive prompt.
    """

    factor: float = 1.0
    references: tuple[int, ...] = ()

    def number_of(self, index: int) -> int:
        """The number of a reference in the positive prompt."""
        return self.references[index] if index < len(self.references) else index


def prompt_styles(conds: Conds) -> dict[Any, PromptStyles]:
    """What each of a guider's conditionings says about styles, by the id of the conditioning."""
    known = list(_numbered(conds.get("positive", ())))
    return {
        cond["uuid"]: PromptStyles(
            float(cond.get(FACTOR_KEY, 1.0)),
            tuple(_number(latent, index, known) for index, latent in enumerate(_references(cond))),
        )
        for group in conds.values()
        for cond in group
    }


def _references(cond: Mapping[str, Any]) -> Sequence[Tensor]:
    return cond.get("reference_latents") or ()


def _numbered(positive: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Tensor, int]]:
    for cond in positive:
        yield from ((latent, number) for number, latent in enumerate(_references(cond)))


def _number(latent: Tensor, index: int, known: Sequence[tuple[Tensor, int]]) -> int:
    """The number of a latent in the positive prompt; its own place in the list if the positive prompt lacks it."""
    same = [number for other, number in known if other is latent]
    same += [number for other, number in known if other.shape == latent.shape and torch.equal(other, latent)]
    return index if index in same or not same else same[0]
