"""Reads a table of paths (JSON Lines, JSON, CSV or TSV) whose images are in folders or in tar archives.

Hugging Face's `imagefolder` is such a dataset: its table is `metadata.jsonl` or `metadata.csv`.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...storage.text_reader import read_text
from .folder_files import FolderFiles
from .rows import BadRow, ImageFile, SourceRow, flat

TABLES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
USUAL = ("metadata.jsonl", "metadata.csv", "metadata.json")
_OTHER_FILES = ("dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json", "report.json")


class ImageTable:
    """The rows of a table, one after another.

    Args:
        folder: the dataset's folder.
        table: the file of the table.
        strip: a start of the paths that is removed.

    Raises:
        DataError: the table cannot be read.
    """

    def __init__(self, folder: Path, table: Path, strip: str = "") -> None:
        self.layout = f"the table {table.name}"
        self._table, self._files = table, FolderFiles(folder, table.parent, strip)
        self._entries = _entries(table)

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        for number, entry in enumerate(self._entries, start=1):
            name = f"{self._table.name}, row {number}"
            if isinstance(entry, dict):
                yield SourceRow(name, flat(entry))
            else:
                yield BadRow(name, "a row that is no object of JSON")

    def count(self) -> int:
        """The number of rows."""
        return len(self._entries)

    def file(self, path: str) -> ImageFile:
        """The image of a path in the table."""
        return self._files.file(path)


def find_table(folder: Path, split: str) -> Path | None:
    """The table of a dataset, or None: the usual name in the folder or the split's, or else the only table.

    Raises:
        DataError: there are several tables.
    """
    for root in (folder / split, folder):
        for name in USUAL:
            if (root / name).is_file():
                return root / name
    tables = [path for root in (folder, folder / split) if root.is_dir() for path in sorted(root.iterdir())]
    tables = [path for path in tables if path.suffix.lower() in TABLES and path.name not in _OTHER_FILES]
    if len(tables) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in tables)
        raise DataError(f"{folder} has several tables ({names}), expected one: choose it with --metadata.")
    return tables[0] if tables else None


def _entries(table: Path) -> list[Any]:
    text = read_text(table)
    suffix = table.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _table_rows(table, text, "\t" if suffix == ".tsv" else ",")
    if suffix == ".json":
        return _json_rows(table, text)
    if suffix not in TABLES:
        raise DataError(f"The table is {table.name}, expected a file {', '.join(TABLES)}: give another --metadata.")
    return [_parsed(line) for line in text.splitlines() if line.strip()]


def _table_rows(table: Path, text: str, delimiter: str) -> list[Any]:
    rows = csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        return [{key: value for key, value in row.items() if key and isinstance(value, str) and value} for row in rows]
    except csv.Error as error:
        raise DataError(f"{table} is no table ({error}), expected CSV or TSV: give another --metadata.") from error


def _json_rows(table: Path, text: str) -> list[Any]:
    content = _parsed(text)
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list) and value]
        # {"data": [...]}, or one object for each name.
        content = lists[0] if len(lists) == 1 else [
            {"key": key, **value} for key, value in content.items() if isinstance(value, dict)
        ]  # fmt: skip
    if not isinstance(content, list) or not content:
        raise DataError(f"{table} holds no list of rows, expected an object for each triplet: give another --metadata.")
    return content


def _parsed(text: str) -> Any:
    """The content of JSON; None if it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
