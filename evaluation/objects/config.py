"""Options of `styleroute evaluate objects`."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS


@dataclass(frozen=True)
class ObjectEvaluationConfig:
    """Scenes of unseen objects in unseen photos, each object in an unseen style of its own.

    Attributes:
        scenes: number of scenes with one object, and also the number of scenes with two objects.
        steps: steps of the sampler.
        strength: strength of MoE Apply.
        experts: the routed experts of the small Kontext.
        grounding: a LoRA of `styleroute train region --task ground`; without it, the rows with it are left out.
        grounding_strength: strength of that LoRA.
        text_rules: whether to add rows with another weight of the styles in the text tokens.
        seed: seed of the scenes and the noise.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder for scenes, images and scores.json; existing images are not generated again.

    Raises:
        TrainingError: a number is out of range, or the grounding LoRA does not exist.
    """

    scenes: int = 8
    steps: int = 20
    strength: float = 1.0
    experts: Path = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
    grounding: Path | None = None
    grounding_strength: float = 1.0
    text_rules: bool = False
    seed: int = 0
    sheet: Path | None = None
    output: Path = RUNS / "evaluate_objects"

    def __post_init__(self) -> None:
        for name in ("scenes", "steps"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")
        if self.grounding is not None and not self.grounding.is_file():
            raise TrainingError(
                f"{self.grounding} does not exist, expected a grounding LoRA: run `styleroute train region --task "
                "ground`, or leave the option out"
            )

    @property
    def sheet_file(self) -> Path:
        """The file of the sheet of images."""
        return self.sheet or self.output / "sheet.jpg"
