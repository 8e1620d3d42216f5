"""What is compared: the base, and every variant of training with its files, one a style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...moe import StyleExpert
from ...progress import console
from ...training.regions.variants import FULL, NO_ATTENTION, NO_COVER, NO_FOCUS, RELEASE_ALL, VARIANTS, variant_file
from ..painting import BASE as BASE_MODEL
from ..painting import folder_name
from .config import RegionEvidenceConfig
from .graph import WORKFLOW

BASE, LOCKED = "base, no expert", "full + background lock"
FIRST = (NO_ATTENTION, NO_COVER, NO_FOCUS, FULL)
"""Of the variants, as they stand in the table."""
ORDER = (*FIRST, RELEASE_ALL, *(name for name in VARIANTS if name not in (*FIRST, RELEASE_ALL)))
TRAIN = "run `styleroute train region-variants`"


@dataclass(frozen=True, eq=False)
class RegionMethod:
    """A way to paint.

    Attributes:
        name: as it stands in the tables.
        files: the expert by style; empty for the base.
        lock: strength of the background lock.
    """

    name: str
    files: Mapping[str, Path]
    lock: float = 0.0

    def folder(self, style: str, blocks: str) -> str:
        """Of its images in a style: another one for other weights, settings or another workflow."""
        files = [self.files[style]] if self.files else []
        return folder_name(f"{self.name} {style}", f"{self.lock} {blocks}", (*files, WORKFLOW))

    def steps(self, styles: Sequence[str]) -> list[int]:
        """How many steps its experts were trained for, each number once."""
        files = [self.files[style] for style in styles] if self.files else []
        return sorted({(StyleExpert.open(file).training or {}).get("steps", 0) for file in files})


@dataclass(frozen=True)
class Compared:
    """The methods of the table with the styles that all of them have, and what was left out."""

    methods: list[RegionMethod]
    styles: list[str]
    left_out: list[str]


def choose_methods(config: RegionEvidenceConfig, there: Sequence[str]) -> Compared:
    """What can be compared of the files that are there; what cannot is printed.

    Args:
        config: names folder and styles.
        there: the styles of the test split.

    Raises:
        TrainingError: nothing is trained, a style is unknown, or the variants have none in common.
        StyleExpertError: a file is broken.
    """
    if unknown := [style for style in config.styles if style not in there]:
        raise TrainingError(f"{config.data} has no style {unknown[0]!r}: give --styles of {', '.join(there)}")
    wanted = config.styles or tuple(there)
    known = [RegionMethod(name, _files(config.variants, name, wanted)) for name in ORDER]
    needed = set(config.styles)
    trained = [method for method in known if method.files and needed <= method.files.keys()]
    left_out = [method.name for method in known if method not in trained]
    for name in left_out:
        folder = variant_file(config.variants, name, wanted[0]).parent
        console.print(f"Left out: {name}, as {folder} lacks its files: {TRAIN}", soft_wrap=True)
    if not trained:
        raise TrainingError(f"{config.variants} holds no region expert to try: {TRAIN}")
    styles = [style for style in wanted if all(style in method.files for method in trained)]
    if not styles:
        has = "; ".join(f"{method.name}: {', '.join(method.files)}" for method in trained)
        raise TrainingError(f"the variants were trained in no common style ({has}): give --styles, or train the others")
    return Compared([RegionMethod(BASE, {}), *trained, *_locked(trained, config.lock)], styles, left_out)


def _locked(trained: Sequence[RegionMethod], lock: float) -> list[RegionMethod]:
    return [RegionMethod(LOCKED, method.files, lock) for method in trained if method.name == FULL]


def _files(folder: Path, name: str, styles: Sequence[str]) -> dict[str, Path]:
    files = {style: variant_file(folder, name, style) for style in styles}
    files = {style: file for style, file in files.items() if file.is_file()}
    for file in files.values():
        _require(file)
    return files


def _require(file: Path) -> None:
    config = StyleExpert.open(file).config
    if not config.is_lora or config.base != BASE_MODEL:
        raise TrainingError(
            f"{file} is a {config.kind} for {config.base!r}, expected a lora for {BASE_MODEL!r}, the model that "
            f"the evidence is painted with: {TRAIN}"
        )
