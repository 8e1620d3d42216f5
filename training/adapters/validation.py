"""Validation images during a training: the same examples from the same noise, in one sheet."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...storage.contact_sheet import write_sheet
from ..bases import Base

IMAGES = 6
"""Examples in a sheet, one row each."""

HELD_OUT = 32
"""Examples of the test split whose loss is computed during a training."""

OWN = "own"
"""Name of the sheet with the user's own images."""


class ValidationSheet(ABC):
    """Generates images of the same few examples at every call, and writes them as one sheet.

    Args:
        base: the base model, which decodes latents.
        seed: seed of the noise.
    """

    def __init__(self, base: Base, seed: int) -> None:
        self.base, self.seed = base, seed

    @abstractmethod
    def rows(self, trainer: Any) -> tuple[list[list[np.ndarray]], dict[str, float]]:
        """Rows of images [H, W, 3] in 0..1, one row per example, and scores by name."""

    def write(self, trainer: Any, path: Path) -> tuple[np.ndarray, dict[str, float]]:
        """Write the sheet; returns its pixels [H, W, 3] in 0..1, and the scores by name."""
        rows, scores = self.rows(trainer)
        write_sheet(rows, path)
        return np.concatenate([np.concatenate(row, axis=1) for row in rows]), scores

    def noise(self, shape: torch.Size) -> Tensor:
        """The same noise at every call."""
        return torch.randn(shape, generator=torch.Generator().manual_seed(self.seed))

    def image(self, latents: Tensor) -> np.ndarray:
        """[16, H, W] -> [8 H, 8 W, 3]. One image at a time, because a full FLUX decoder needs gigabytes per image."""
        return self.base.decode(latents[None])[0].float().cpu().permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class Validation:
    """What a training shows and measures on its way.

    Attributes:
        sheets: the sheets by name; the name is the first part of the file name, and may be empty.
        held_out: examples of the test split for the held-out loss; None without a test split.
    """

    sheets: Mapping[str, ValidationSheet] = field(default_factory=dict)
    held_out: Any | None = None

    @property
    def any(self) -> bool:
        """Whether there is something to show or to measure."""
        return bool(self.sheets) or self.held_out is not None


def spread(count: int, limit: int = HELD_OUT) -> list[int]:
    """At most `limit` of the numbers 0 to count - 1, evenly spread."""
    return sorted({number * count // min(count, limit) for number in range(min(count, limit))})
