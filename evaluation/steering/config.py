"""Options of `styleroute evaluate steering`."""

from dataclasses import dataclass
from pathlib import Path

from ...paths import RUNS, TINY_MODELS
from ..styles.config import require_at_least


@dataclass(frozen=True)
class SteeringConfig:
    """Experts that are routed by the style encoder and read the style image beside the photo, and the images.

    Attributes:
        data: folder of triplets; the command reads its test split.
        experts: the expert file; by default the experts of the pack.
        photos: number of photos to stylise in each style.
        styles: number of unseen styles, taken at even distances from the list of styles; by default all. An image's
            own style always competes with all unseen styles.
        seeds: images per photo and style, with noise from the seeds 0, 1 and so on.
        steps: sampling steps, without guidance.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder for images and scores.json; existing images are not generated again.

    Raises:
        TrainingError: a number is too small.
    """

    data: Path = Path("data") / "paintings"
    experts: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
    photos: int = 2
    styles: int | None = None
    seeds: int = 1
    steps: int = 8
    sheet: Path | None = None
    output: Path = RUNS / "evaluate_steering"

    def __post_init__(self) -> None:
        require_at_least(1, {name: getattr(self, name) for name in ("photos", "seeds", "steps")})
        require_at_least(2, {"styles": self.styles})

    @property
    def sheet_file(self) -> Path:
        """The file of the sheet of images."""
        return self.sheet or self.output / "sheet.jpg"
