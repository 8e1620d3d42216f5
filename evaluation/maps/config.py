"""Options of `styleroute calibrate`."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...dataset.scenes import IMAGE_SIDE
from ...errors import TrainingError
from ...paths import CACHE, PACK

CALIBRATIONS = PACK / "nodes" / "branch" / "calibrations"
"""The folder whose JSON files the nodes read."""
SHIPPED = {"tiny": "small-kontext.json"}
"""File names of base models with a short name of their own."""


@dataclass(frozen=True)
class CalibrationConfig:
    """Options of a calibration.

    Attributes:
        base: hub name or folder of a FLUX.1 Kontext in diffusers' layout, or "tiny".
        lora: a grounding LoRA; the tables then also show the figures with it.
        strength: factor of the LoRA's changes.
        data: folder of `styleroute data objects` or `styleroute data regions`, whose test split is used; by default
            scenes of photos and objects that no region training uses.
        scenes: number of scenes with one object, and also the number of scenes with two objects.
        size: side of the scenes in pixels, a multiple of 16; a given folder has its own size.
        noise: noise levels (sigma), 0 to 1.
        blocks: blocks for the calibration file, in the grammar of `attention.selection`; by default those that find the
            objects best.
        text_tokens: length of a prompt in T5 tokens; the small Kontext has a fixed length.
        seed: seed of the scenes and of the noise.
        cache: folder of the downloaded photos and objects.
        output: the calibration file; by default a file of the base model among the files that the nodes read.

    Raises:
        TrainingError: a value is impossible.
    """

    base: str = "tiny"
    lora: Path | None = None
    strength: float = 1.0
    data: Path | None = None
    scenes: int = 12
    size: int = IMAGE_SIDE
    noise: tuple[float, ...] = (0.95, 0.4)
    blocks: str | None = None
    text_tokens: int = 128
    seed: int = 0
    cache: Path = CACHE
    output: Path | None = None

    def __post_init__(self) -> None:
        if self.scenes < 1:
            raise TrainingError(f"scenes is {self.scenes}, expected 1 or more: give another number")
        if self.size < 16 or self.size % 16:
            raise TrainingError(f"size is {self.size}, expected a multiple of 16: give for instance 256 or 1024")
        if not self.noise or not all(0 < level <= 1 for level in self.noise):
            raise TrainingError(f"noise is {self.noise or 'empty'}, expected levels above 0, up to 1: give 0.95 0.4")

    @property
    def file(self) -> Path:
        """The calibration file to write."""
        name = SHIPPED.get(self.base) or f"{re.sub('[^a-z0-9]+', '-', Path(self.base).name.lower()).strip('-')}.json"
        return self.output or CALIBRATIONS / name
