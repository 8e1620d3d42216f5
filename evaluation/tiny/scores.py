"""Scores of the edits: PSNR to the exact target, and the largest seam."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..metrics import line_seam, psnr
from .trials import EditTrial


@dataclass(frozen=True)
class EditScore:
    """The scores of one image, as in `InstructionScore`."""

    image: float
    inside: float | None
    outside: float | None
    seam: float


@dataclass(frozen=True)
class InstructionScore:
    """The scores of one instruction.

    Attributes:
        name: the instruction.
        image: mean PSNR of the whole image, in dB.
        inside, outside: mean PSNR inside and outside the object's mask; None for an edit of the whole image.
        seam: largest `line_seam` of its images.
        scenes: the scores of each scene.
    """

    name: str
    image: float
    inside: float | None
    outside: float | None
    seam: float
    scenes: list[EditScore] = field(default_factory=list)


@dataclass(frozen=True)
class SizeEvaluation:
    """The scores of one size.

    Attributes:
        size: height and width in pixels.
        photos: number of the test photos that are large enough.
        autoencoder: mean PSNR of all these photos through the autoencoder alone, in dB.
        ceiling: scores of the scenes through the autoencoder alone.
        edits: scores of the instructions; the first is "keep".
        sheet: contact sheet of the images.
    """

    size: tuple[int, int]
    photos: int
    autoencoder: float
    ceiling: InstructionScore
    edits: list[InstructionScore]
    sheet: Path

    @property
    def title(self) -> str:
        """Height and width in words."""
        return f"{self.size[0]} x {self.size[1]}"


def score(name: str, trials: Sequence[EditTrial], results: Sequence[np.ndarray], by_region: bool) -> InstructionScore:
    """Scores the results [H, W, 3] in 0..1 of an instruction."""
    scenes = [_score_edit(trial, result, by_region) for result, trial in zip(results, trials, strict=True)]
    image = float(np.mean([scene.image for scene in scenes]))
    inside, outside = None, None
    if by_region:
        inside, outside = (float(np.mean([getattr(scene, key) for scene in scenes])) for key in ("inside", "outside"))
    return InstructionScore(name, image, inside, outside, max(scene.seam for scene in scenes), scenes)


def _score_edit(trial: EditTrial, result: np.ndarray, by_region: bool) -> EditScore:
    return EditScore(
        image=float(psnr(result, trial.target)),
        inside=float(psnr(result, trial.target, trial.mask)) if by_region else None,
        outside=float(psnr(result, trial.target, 1 - trial.mask)) if by_region else None,
        seam=float(line_seam(trial.scene.image, result, trial.target)),
    )
