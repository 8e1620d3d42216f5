"""Options of `styleroute evaluate styles`."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS

EXPERTS_FILE = "experts.safetensors"


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
        seeds: images per photo and style, with noise from the seeds 0, 1 and so on.
        seen: also evaluate the styles of the training split on the same photos.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder for images, plots and scores.json; existing images are not generated again.

    Raises:
        TrainingError: a number is below 1.
    """

    data: Path = Path("data") / "paintings"
    full: Path = RUNS / "experts_small" / EXPERTS_FILE
    style_reference: Path = RUNS / "experts_small_style_reference" / EXPERTS_FILE
    wide: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
    single_lora: Path = RUNS / "experts_small_single_lora" / EXPERTS_FILE
    no_encoder: Path = RUNS / "experts_small_no_encoder" / EXPERTS_FILE
    wide_run: Path = RUNS / "experts_small_wide"
    photos: int = 8
    seeds: int = 2
    seen: bool = False
    sheet: Path | None = None
    output: Path = RUNS / "evaluate_styles"

    def __post_init__(self) -> None:
        for name in ("photos", "seeds"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")

    @property
    def sheet_file(self) -> Path:
        """The file of the sheet of images."""
        return self.sheet or self.output / "sheet.jpg"
