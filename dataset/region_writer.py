"""Writes a dataset of regions, whole or not at all, with a report of its content."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from rich.markup import escape
from rich.table import Table

from ..errors import DataError
from ..plain_text import plain
from ..progress import track
from .new_folder import whole_or_nothing
from .region_manifest import Region, RegionExample, mask_name, region_prompt, write_manifest
from .region_scenes import RegionScene
from .scenes import listed

REPORT_FILE = "report.json"
NAMES_SHOWN = 5


class Scenes(Protocol):
    """The scenes of a split, made one by one, in these styles; without styles they ground the objects' words.

    Attributes:
        styles: names of the styles.
    """

    @property
    def styles(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[RegionScene]: ...


@dataclass
class SplitReport:
    """Counts of one split; ``areas`` are the shares of the image that the objects cover, 0..1."""

    examples: int = 0
    photos: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    styles: Counter[str] = field(default_factory=Counter)
    areas: list[float] = field(default_factory=list)

    def count(self, scene: RegionScene) -> None:
        """Counts a scene, its objects and their areas."""
        self.photos[scene.photo] += 1
        self.objects.update(scene.masks.keys())
        self.areas += [float(mask.mean()) / 255 for mask in scene.masks.values()]

    def as_json(self) -> dict[str, Any]:
        """Returns the counts for report.json."""
        counted = {name: dict(sorted(getattr(self, name).items())) for name in ("styles", "objects", "photos")}
        levels = np.quantile(self.areas, (0, 0.5, 1)).round(4).tolist()
        spread = dict(zip(("least", "median", "most"), levels, strict=True))
        return {"scenes": self.photos.total(), "examples": self.examples, "area": spread, **counted}


@dataclass
class RegionReport:
    """The configuration of a dataset and the counts of its splits.

    Attributes:
        config: a dataclass with the options of the command.
        more: further options, such as the source and the stylist.
        left_out: names of the photos or images that are left out, by reason.
    """

    config: Any
    splits: dict[str, SplitReport] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes report.json into the folder."""
        content: dict[str, Any] = {"made_with": asdict(self.config) | self.more}
        content["splits"] = {split: report.as_json() for split, report in self.splits.items()}
        if self.left_out:
            counted = {reason: {"count": len(names), "names": names} for reason, names in self.left_out.items()}
            content["left_out"] = counted
        text = json.dumps(content, indent=2, ensure_ascii=False)
        # A name from a foreign file may hold half a surrogate pair; its escape is valid JSON.
        (folder / REPORT_FILE).write_text(text, encoding="utf-8", errors="backslashreplace")

    def table(self) -> Table:
        """Returns a table for the terminal with one row per split."""
        table = Table("split", title="Regions")
        for heading in ("examples", "scenes", "photos", "objects", "styles", "median area"):
            table.add_column(heading, justify="right")
        for split, report in self.splits.items():
            numbers = (report.examples, report.photos.total(), len(report.photos), len(report.objects))
            shown = (*numbers, len(report.styles), f"{np.median(report.areas):.0%}")
            table.add_row(split, *map(str, shown))
        return table

    def left_out_table(self) -> Table:
        """Returns a table for the terminal with one row per reason for leaving something out."""
        table = Table("left out, because", "number", "which", title="Left out")
        for reason, names in self.left_out.items():
            more = ["..."] if len(names) > NAMES_SHOWN else []
            table.add_row(escape(reason), f"{len(names):,}", escape(plain(", ".join(names[:NAMES_SHOWN] + more))))
        return table


def write_regions(folder: Path, splits: Mapping[str, Scenes], report: RegionReport) -> None:
    """Writes all splits and the report. An interruption leaves nothing.

    Args:
        folder: the folder to create; it must not exist (`new_folder.require_target`).
        splits: scenes by split.
        report: filled with the counts of the splits.

    Raises:
        DataError: a split has no example.
    """
    with whole_or_nothing(folder) as unfinished:
        for split, scenes in splits.items():
            report.splits[split] = SplitReport()
            examples: list[RegionExample] = []
            shown = track(scenes, split, len(scenes))
            for number, scene in enumerate(shown, start=1):
                examples += _write_scene(
                    unfinished / split, f"{number:04}", scene, report.splits[split], bool(scenes.styles)
                )
            if not examples:
                raise DataError(f"The split {split} has no example ({_reasons(report)}): give other options.")
            write_manifest(unfinished / split, examples)
        report.write(unfinished)


def _reasons(report: RegionReport) -> str:
    return "; ".join(f"{len(names)} x {reason}" for reason, names in report.left_out.items()) or "no scene"


def _write_scene(
    folder: Path, name: str, scene: RegionScene, report: SplitReport, has_styles: bool
) -> list[RegionExample]:
    """Writes the images of a scene; returns an example per stylised object, or without styles one of all objects."""
    original = _save(folder / "original" / f"{name}.png", scene.image)
    masks = {thing: _save(folder / "masks" / mask_name(name, thing), mask) for thing, mask in scene.masks.items()}
    report.count(scene)
    if not has_styles:
        report.examples += 1
        regions = tuple(Region(thing, "", mask) for thing, mask in masks.items())
        return [RegionExample(listed(masks), original, original, regions)]
    examples: list[RegionExample] = []
    for edited in scene.stylised:
        thing, style = edited.object, edited.style
        image = _save(folder / "styled" / style.replace(" ", "_") / f"{name}_{thing}.png", edited.image)
        region = Region(thing, style, masks[thing])
        examples.append(RegionExample(region_prompt(thing, style), original, image, (region,)))
        report.styles[style] += 1
    report.examples += len(examples)
    if not examples:
        for path in (original, *masks.values()):
            path.unlink()
    return examples


def _save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=3)
    return path
