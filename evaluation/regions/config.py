"""Options of `styleroute evaluate regions` and `styleroute evaluate contrast`."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS, TINY_MODELS
from ...training.regions.variants import SMALL, VARIANT_RUNS


@dataclass(frozen=True)
class RegionEvaluationConfig:
    """Trained region experts and the scenes to evaluate them on. The command skips missing files and names them.

    Attributes:
        data: folder of regions; the command reads its test split, whose photos and objects no training has seen.
        variants: output folder of `styleroute train region-variants`.
        styles: styles to compare; by default all styles in which every existing variant was trained.
        scenes: number of scenes in each style, one object each.
        seeds: images per scene and style, with noise from the seeds 0, 1 and so on.
        blocks: blocks whose attention is measured, as in RegionRoute Sampler; by default the blocks where the small
            Kontext binds a phrase to its object. They are the same for all methods.
        lock: strength of the background lock in the row that uses it.
        sheet: file for the sheet of images (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder for images and scores.json; existing images are not generated again.

    Raises:
        TrainingError: a number is out of range.
    """

    data: Path = Path("data") / "regions"
    variants: Path = VARIANT_RUNS
    styles: tuple[str, ...] = ()
    scenes: int = 8
    seeds: int = 1
    blocks: str = SMALL.objective.blocks
    lock: float = 1.0
    sheet: Path | None = None
    output: Path = RUNS / "evaluate_regions"

    def __post_init__(self) -> None:
        for name in ("scenes", "seeds"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")
        if not 0 < self.lock <= 1:
            raise TrainingError(f"lock is {self.lock:g}, expected above 0 and up to 1: give another number")

    @property
    def sheet_file(self) -> Path:
        """The file of the sheet of images."""
        return self.sheet or self.output / "sheet.jpg"


@dataclass(frozen=True)
class ContrastConfig:
    """Options of the measurement.

    Attributes:
        scenes: number of scenes, made from photos and objects that no training has seen.
        style: the style in the prompt.
        expert: the region expert of this style.
        blocks: blocks that are also measured alone; by default those that the shipped experts' training supervised.
        seed: seed of the scenes and the noise.
        output: folder for the scenes.

    Raises:
        TrainingError: a number is out of range.
    """

    scenes: int = 8
    style: str = "indigo dots"
    expert: Path = TINY_MODELS / "style_experts" / "indigo-dots.safetensors"
    blocks: str = SMALL.objective.blocks
    seed: int = 0
    output: Path = RUNS / "evaluate_contrast"

    def __post_init__(self) -> None:
        if self.scenes < 1:
            raise TrainingError(f"scenes is {self.scenes}, expected 1 or more: give another number")
