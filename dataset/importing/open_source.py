"""Opens a downloaded dataset: finds out its layout, or uses the one that the user names."""

from collections import Counter
from pathlib import Path
from typing import Literal

from ...errors import DataError
from .arrow_folder import SAVED, ArrowFolder
from .image_table import ImageTable, find_table
from .rows import Source
from .tar_shards import TarShards, find_shards

Layout = Literal["auto", "arrow", "table", "tar"]


def open_source(
    folder: Path, layout: Layout = "auto", split: str = "train", metadata: Path | None = None, strip: str = ""
) -> Source:
    """Opens a dataset. No image is read.

    Args:
        folder: the downloaded dataset.
        layout: "arrow" (Parquet or `save_to_disk`), "table" (paths in a file), "tar" (WebDataset), or "auto".
        split: the split to read, if the dataset has several.
        metadata: the file of the table; a relative path is also looked for in the folder.
        strip: a start of the paths in a table that is removed.

    Raises:
        DataError: the folder or the table is missing, or the layout is unknown.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}, expected a downloaded dataset: check the path.")
    if metadata is not None and layout in ("auto", "table"):
        return ImageTable(folder, _table(folder, metadata), strip)
    chosen = _found_layout(folder, split) if layout == "auto" else layout
    if chosen == "arrow":
        return ArrowFolder(folder, split, strip)
    if chosen == "tar" and find_shards(folder):
        return TarShards(folder)
    table = find_table(folder, split) if chosen == "table" else None
    if table is None:
        raise _unknown(folder)
    return ImageTable(folder, table, strip)


def _found_layout(folder: Path, split: str) -> Layout:
    if any((folder / name).is_file() for name in SAVED) or next(folder.rglob("*.parquet"), None):
        return "arrow"
    return "table" if find_table(folder, split) or not find_shards(folder) else "tar"


def _table(folder: Path, metadata: Path) -> Path:
    for path in (folder / metadata, metadata):
        if path.is_file():
            return path
    raise DataError(f"There is no table {metadata} in {folder}: give another --metadata.")


def _unknown(folder: Path) -> DataError:
    endings = Counter(path.suffix.lower() or "no ending" for path in folder.rglob("*") if path.is_file())
    found = ", ".join(f"{count} x {ending}" for ending, count in endings.most_common(6)) or "no file"
    return DataError(
        f"{folder} holds {found}, expected Parquet files, tar archives, a dataset of save_to_disk, or a table "
        "(.jsonl, .json, .csv, .tsv) of paths: give its folder, or the table with --metadata."
    )
