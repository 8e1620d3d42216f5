"""What the evidence of regions is gathered of."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...paths import RUNS
from ...training.regions.variants import SMALL, VARIANT_RUNS


@dataclass(frozen=True)
class RegionEvidenceConfig:
    """Trained region experts and the scenes that they are tried on. A file that is not there is left out, and said so.

    Attributes:
        data: folder of regions; its test split is used, whose photos and objects no training has seen.
        variants: folder that `styleroute train region-variants` has trained into.
        styles: those that are compared; by default all that every variant which is there was trained in.
        scenes: how many scenes are painted in each style, one object each.
        seeds: how often each, from the noise of seed 0, 1 and so on.
        blocks: whose attention is measured, as RegionRoute Sampler takes them; by default those where the small
            Kontext binds words to places, for all alike.
        lock: strength of the background lock in the row that has it.
        sheet: where the sheet of images goes (.jpg or .png); by default sheet.jpg in the output folder.
        output: folder of images and evidence.json; an image that is there is not painted again.

    Raises:
        TrainingError: a number is impossible.
    """

    data: Path = Path("data") / "regions"
    variants: Path = VARIANT_RUNS
    styles: tuple[str, ...] = ()
    scenes: int = 8
    seeds: int = 1
    blocks: str = SMALL.objective.blocks
    lock: float = 1.0
    sheet: Path | None = None
    output: Path = RUNS / "evidence_regions"

    def __post_init__(self) -> None:
        for name in ("scenes", "seeds"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more: give another number")
        if not 0 < self.lock <= 1:
            raise TrainingError(f"lock is {self.lock:g}, expected above 0 and up to 1: give another number")

    @property
    def sheet_file(self) -> Path:
        """Where the sheet of images is written."""
        return self.output / "sheet.jpg" if self.sheet is None else self.sheet
