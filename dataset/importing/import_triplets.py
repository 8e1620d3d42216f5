"""Imports a foreign dataset as a triplet dataset, whole or not at all."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...progress import track
from ..new_folder import require_free_target, whole_or_nothing
from ..triplet_report import TripletReport
from ..triplet_writer import CONTENT_FOLDER, free_slug
from ..triplets import METADATA_FILE, Embed
from ..user_folder import HoldOut
from .collect import ImportedRow, check_first_rows, collect
from .columns import Columns
from .image_store import StoredImage, image_store
from .rows import Source
from .splits import Split, chosen_references, given_references, split_rows


@dataclass(frozen=True)
class ImportOptions:
    """How a dataset is imported.

    Attributes:
        size: side of the images in pixels, a multiple of 16; other images are cropped to a square and resized.
        limit: most triplets to import, in the dataset's order; None for all.
        hold: what the test split gets.
        threads: number of threads that fit images.

    Raises:
        DataError: a number is out of range.
    """

    size: int = 1024
    limit: int | None = None
    hold: HoldOut = field(default_factory=HoldOut)
    threads: int = 0

    def __post_init__(self) -> None:
        for name, least in (("limit", 1), ("threads", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise DataError(f"{name} is {value}, expected {least} or more: give another --{name}.")


def import_triplets(
    source: Source, wanted: Columns, folder: Path, options: ImportOptions, report: TripletReport, embed: Embed | None
) -> None:
    """Imports a dataset. An interruption leaves nothing.

    Args:
        source: the dataset.
        wanted: its columns.
        folder: the folder to create.
        options: sizes and numbers.
        report: filled with counts and with the rows left out.
        embed: the image embedding that chooses the style images; None: the dataset's own style images.

    Raises:
        DataError: a column is missing, the folder exists, or the training split would be empty.
        StorageError: the disk has too little room.
    """
    require_free_target(folder, options.size)
    columns = check_first_rows(source, wanted, options.size, options.limit, folder, embed is None)
    if embed is not None:
        columns = columns.without_references()
    report.made_with["columns"] = dict(columns.by_role)
    threads = options.threads or min(8, os.cpu_count() or 1)
    with whole_or_nothing(folder) as unfinished, image_store(unfinished / "images", options.size, threads) as store:
        found = collect(source, columns, store, report, options.limit)
        rows = list(track(found, "triplets", options.limit or source.count()))
        _require_rows(len(rows), report)
        splits = split_rows(rows, options.hold, report)
        paired = chosen_references(splits, embed, report) if embed else given_references(splits, report)
        _require_rows(len(paired["train"]), report)
        _write_splits(unfinished, paired, {row.style for row in rows}, report)
        shutil.rmtree(unfinished / "images")
        report.write(unfinished)


def _require_rows(count: int, report: TripletReport) -> None:
    if not count:
        reasons = "; ".join(f"{len(names)} x {reason}" for reason, names in report.left_out.items())
        raise DataError(f"The training split has no triplet ({reasons or 'no row'}): choose other columns or options.")


def _write_splits(folder: Path, splits: dict[str, Split], styles: set[str], report: TripletReport) -> None:
    numbers = {name: number for number, name in enumerate(sorted(styles))}
    slugs: dict[str, str] = {}
    for name in numbers:
        slugs[name] = free_slug(name, {CONTENT_FOLDER, *slugs.values()})
    used: dict[Path, Path] = {}
    for split, triplets in splits.items():
        writer = _SplitFiles(folder / split, used)
        trained = report.splits.get("train", {}).get("styles", {})
        rows = [_metadata(row, reference, writer, slugs[row.style], numbers) for row, reference in triplets]
        rows = [{**row, "seen_style": split == "train" or row["style"] in trained} for row in rows]
        report.count_split(split, rows)
        if rows:
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / split / METADATA_FILE).write_text(lines, encoding="utf-8")


def _metadata(
    row: ImportedRow, reference: StoredImage, writer: "_SplitFiles", slug: str, numbers: dict[str, int]
) -> dict[str, Any]:
    return {
        "content_file_name": writer.place(row.content, CONTENT_FOLDER),
        "reference_file_name": writer.place(reference, slug),
        "stylised_file_name": writer.place(row.stylised, slug),
        "style": row.style,
        "style_id": numbers[row.style],
        "seen_style": True,
        "content_name": row.content_name,
        "prompt": row.prompt,
    }


class _SplitFiles:
    """Moves images out of the store into a split's folders. A second split gets a copy."""

    def __init__(self, folder: Path, used: dict[Path, Path]) -> None:
        self._folder, self._used = folder, used
        self._names: dict[Path, str] = {}

    def place(self, image: StoredImage, group: str) -> str:
        """The image's path in the split's folder."""
        if image.file not in self._names:
            name = self._names[image.file] = f"{group}/{image.file.name}"
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if image.file in self._used:
                shutil.copyfile(self._used[image.file], path)
            else:
                image.file.rename(path)
                self._used[image.file] = path
        return self._names[image.file]
