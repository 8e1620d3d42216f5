"""Options of `styleroute evaluate dials`."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS


@dataclass(frozen=True)
class DialEvaluationConfig:
    """The images and the steps of the comparison. Photos and styles are those that no training has seen.

    Attributes:
        photos: number of photos to stylise in each style.
        styles: number of styles.
        steps: sampling steps of each image with guidance. Images without guidance are also generated at 20 steps.
        seed: seed of the noise.
        plot: file for the plot (.png); by default dials.png in the output folder.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder for images and scores.json; existing images are not generated again.

    Raises:
        TrainingError: a number is below 1.
    """

    photos: int = 2
    styles: int = 3
    steps: int = 8
    seed: int = 0
    plot: Path | None = None
    sheet: Path | None = None
    output: Path = RUNS / "evaluate_dials"

    def __post_init__(self) -> None:
        for name in ("photos", "styles", "steps"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")
