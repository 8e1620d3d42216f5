"""The compared methods: the base model, and every training variant with one expert file per style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import TrainingError
from ...moe import StyleExpert
from ...progress import console
from ...training.regions.variants import FULL, NO_ATTENTION, NO_COVER, NO_FOCUS, RELEASE_ALL, VARIANTS, variant_file
from ..generated_images import BASE_MODEL, images_folder
from .config import RegionEvaluationConfig
from .workflow import WORKFLOW

BASE, LOCKED = "base, no expert", "full + background lock"
FIRST = (NO_ATTENTION, NO_COVER, NO_FOCUS, FULL)
"""The first variants of the table."""
ORDER = (*FIRST, RELEASE_ALL, *(name for name in VARIANTS if name not in (*FIRST, RELEASE_ALL)))
TRAIN = "run `styleroute train region-variants`"


@dataclass(frozen=True, eq=False)
class RegionMethod:
    """A way to stylise an object.

    Attributes:
        name: the method's name in tables.
        files: the expert file of each style; empty for the base model.
        lock: strength of the background lock.
    """

    name: str
    files: Mapping[str, Path]
    lock: float = 0.0

    def images_folder(self, style: str, blocks: str) -> str:
        """The folder of the method's images in a style; other weights, settings or workflows have another one."""
        files = [self.files[style]] if self.files else []
        return images_folder(f"{self.name} {style}", f"{self.lock} {blocks}", (*files, WORKFLOW))

    def steps(self, styles: Sequence[str]) -> list[int]:
        """The different numbers of training steps of the experts for these styles."""
        files = [self.files[style] for style in styles] if self.files else []
        return sorted({(StyleExpert.open(file).training or {}).get("steps", 0) for file in files})


@dataclass(frozen=True)
class RegionComparison:
    """The compared methods, the styles that all of them have, and the names of the methods left out."""

    methods: list[RegionMethod]
    styles: list[str]
    left_out: list[str]


def choose_methods(config: RegionEvaluationConfig, available: Sequence[str]) -> RegionComparison:
    """The methods and styles that the existing files allow to compare; prints the methods left out.

    Args:
        config: has the folder of the files, and the styles.
        available: the styles of the test split.

    Raises:
        TrainingError: no file exists, a style is unknown, or the variants have no style in common.
        StyleExpertError: a file is broken.
    """
    if unknown := [style for style in config.styles if style not in available]:
        raise TrainingError(f"{config.data} has no style {unknown[0]!r}: give --styles from {', '.join(available)}")
    styles = config.styles or tuple(available)
    known = [RegionMethod(name, _files(config.variants, name, styles)) for name in ORDER]
    trained = [method for method in known if method.files and set(config.styles) <= method.files.keys()]
    left_out = [method.name for method in known if method not in trained]
    for name in left_out:
        folder = variant_file(config.variants, name, styles[0]).parent
        console.print(f"Left out: {name}, because files are missing in {folder}: {TRAIN}", soft_wrap=True)
    if not trained:
        raise TrainingError(f"{config.variants} has no region expert to evaluate: {TRAIN}")
    methods = [RegionMethod(BASE, {}), *trained, *_locked(trained, config.lock)]
    return RegionComparison(methods, _common_styles(trained, styles), left_out)


def _common_styles(trained: Sequence[RegionMethod], styles: Sequence[str]) -> list[str]:
    common = [style for style in styles if all(style in method.files for method in trained)]
    if not common:
        found = "; ".join(f"{method.name}: {', '.join(method.files)}" for method in trained)
        raise TrainingError(f"the variants have no common style ({found}): give --styles, or train the missing ones")
    return common


def _locked(trained: Sequence[RegionMethod], lock: float) -> list[RegionMethod]:
    return [RegionMethod(LOCKED, method.files, lock) for method in trained if method.name == FULL]


def _files(folder: Path, name: str, styles: Sequence[str]) -> dict[str, Path]:
    files = {style: variant_file(folder, name, style) for style in styles}
    files = {style: file for style, file in files.items() if file.is_file()}
    for file in files.values():
        _check_kind(file)
    return files


def _check_kind(file: Path) -> None:
    config = StyleExpert.open(file).config
    if not config.is_lora or config.base != BASE_MODEL:
        raise TrainingError(
            f"{file} is a {config.kind} for {config.base!r}, expected a lora for {BASE_MODEL!r}, which generates the "
            f"images: {TRAIN}"
        )
