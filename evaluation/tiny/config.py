"""Options of `styleroute evaluate tiny`."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...paths import RUNS, TINY_MODELS
from ...training.tiny.config import TEST_SIZES

TOKEN = 16
"""Side of an image token in pixels."""


@dataclass(frozen=True)
class TinyEvaluationConfig:
    """Options of the evaluation.

    Attributes:
        per_edit: number of images for each instruction and size.
        steps: number of Euler steps of the sampler.
        seed: seed of the scenes and the noise.
        sizes: height and width in pixels of each group of images, such as 512 512 384 640.
        models: folder of the weights.
        output: folder for images, contact sheets and scores.json.
    """

    per_edit: int = 8
    steps: int = 20
    seed: int = 0
    sizes: tuple[tuple[int, int], ...] = TEST_SIZES
    models: Path = TINY_MODELS
    output: Path = RUNS / "evaluate_tiny"

    def __post_init__(self) -> None:
        if self.per_edit < 1 or self.steps < 1:
            raise DataError(
                f"there are {self.per_edit} images and {self.steps} steps, expected at least 1 of each: give other "
                "--per-edit and --steps"
            )
        if not self.sizes:
            raise DataError("there is no size, expected height and width of one size or more: give --sizes 512 512")
        for height, width in self.sizes:
            if min(height, width) < TOKEN or height % TOKEN or width % TOKEN:
                raise DataError(
                    f"a size is {height} x {width} pixels, expected multiples of {TOKEN} (one image token): give other "
                    "--sizes"
                )
