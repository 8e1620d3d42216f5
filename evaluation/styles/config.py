"""Options of `styleroute evaluate styles`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS

EXPERTS_FILE = "experts.safetensors"


def require_at_least(least: int, numbers: Mapping[str, float | None]) -> None:
    """Check the numbers of options by name; None is a number that was not given.

    Raises:
        TrainingError: a number is smaller.
    """
    for name, number in numbers.items():
        if number is not None and not number >= least:
            raise TrainingError(f"{name} is {number:g}, expected {least} or more: give another number")


@dataclass(frozen=True)
class StyleEvaluationConfig:
    """Trained expert files and the images to evaluate them on. The command skips missing files and names them.

    Attributes:
        data: folder of triplets; the command reads its test split.
        full: experts routed by the style encoder.
        style_reference: experts routed by the style encoder, with the style image as a second reference.
        wide: `style_reference` with a wide shared expert; by default the experts of the pack. The sheet shows them.
        single_lora: one LoRA, trained with the style image as a second reference.
        no_encoder: experts routed by the style image's pooled latents.
        wide_run: run folder of `wide`, for its loss curve. The other files lie in their run folders.
        photos: number of photos to stylise in each style.
        styles: number of styles, taken at even distances from the list of styles; by default all. An image's own style
            always competes with all styles.
        seeds: images per photo and style, with noise from the seeds 0, 1 and so on.
        steps: sampling steps of all methods without guidance.
        content: content dial of a further row, for the experts of the pack; 1 leaves the row out.
        guided_steps: sampling steps of that row.
        loss_photos: number of photos for the losses, in each style; 0 leaves the losses out.
        seen: also evaluate the styles of the training split on the same photos.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        sheet_size: numbers of styles and photos on the sheet.
        output: folder for images, plots and scores.json; existing images and losses are not computed again.

    Raises:
        TrainingError: a number is too small.
    """

    data: Path = Path("data") / "paintings"
    full: Path = RUNS / "experts_small" / EXPERTS_FILE
    style_reference: Path = RUNS / "experts_small_style_reference" / EXPERTS_FILE
    wide: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
    single_lora: Path = RUNS / "experts_small_single_lora" / EXPERTS_FILE
    no_encoder: Path = RUNS / "experts_small_no_encoder" / EXPERTS_FILE
    wide_run: Path = RUNS / "experts_small_wide"
    photos: int = 8
    styles: int | None = None
    seeds: int = 2
    steps: int = 20
    content: float = 2.0
    guided_steps: int = 8
    loss_photos: int = 8
    seen: bool = False
    sheet: Path | None = None
    sheet_size: tuple[int, int] = (5, 3)
    output: Path = RUNS / "evaluate_styles"

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in ("photos", "styles", "seeds", "steps", "guided_steps")}
        sheet = dict(zip(("styles on the sheet", "photos on the sheet"), self.sheet_size, strict=True))
        require_at_least(1, {**numbers, **sheet})
        require_at_least(0, {"loss_photos": self.loss_photos, "content": self.content})

    @property
    def sheet_file(self) -> Path:
        """The file of the sheet of images."""
        return self.sheet or self.output / "sheet.jpg"
