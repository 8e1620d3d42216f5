"""What the evidence is gathered of."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS

EXPERTS_FILE = "experts.safetensors"


@dataclass(frozen=True)
class EvidenceConfig:
    """Trained expert files and the images that they are tried on. A file that is not there is left out, and said so.

    Attributes:
        data: folder of triplets; its test split is used.
        full: experts routed by the style encoder.
        style_reference: the same, trained with the style image beside the content as a second reference.
        wide: the same with a wide shared expert; by default those that ship with the pack. The sheet shows these.
        single_lora: one LoRA, which sees the style image as a second reference.
        no_encoder: experts routed by the style image's pooled latents.
        wide_run: run folder of `wide`, for its curve; of the others it is the folder that the file lies in.
        photos: how many photos are painted in each style.
        seeds: how often each, from the noise of seed 0, 1 and so on.
        seen: also try the styles of the training on the same photos.
        sheet: where the sheet of images goes (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder of images, plots and evidence.json; an image that is there is not painted again.

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
    output: Path = RUNS / "evidence_styles"

    def __post_init__(self) -> None:
        for name in ("photos", "seeds"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")

    @property
    def sheet_file(self) -> Path:
        """Where the sheet of images is written."""
        return self.output / "sheet.jpg" if self.sheet is None else self.sheet
