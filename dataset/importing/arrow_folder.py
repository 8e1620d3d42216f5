"""Reads folders of the library `datasets`: Parquet files, or what `save_to_disk` wrote. Rows are streamed."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError
from .folder_files import FolderFiles
from .rows import BadRow, ImageFile, SourceRow, Value, flat

ROWS_AT_ONCE = 8
"""Rows that are in memory at once. The Parquet files of image datasets hold 100 rows in a group."""
SAVED = ("dataset_dict.json", "state.json")
"""Files that `save_to_disk` writes."""
_SPLITS = ("train", "test", "validation", "val", "dev", "eval")


class ArrowFolder:
    """The rows of one split of a folder.

    Args:
        folder: the dataset's folder.
        split: the split to read, if the dataset has several.
        strip: a start of paths in text columns that is removed.

    Raises:
        DataError: the library cannot read the folder, or there is no such split.
    """

    def __init__(self, folder: Path, split: str, strip: str = "") -> None:
        self._files = FolderFiles(folder, strip=strip)
        is_saved = any((folder / name).is_file() for name in SAVED)
        self.layout = "a dataset of save_to_disk" if is_saved else "Parquet files"
        try:
            self._rows, self._count = _saved(folder, split) if is_saved else _parquet(folder, split)
        except DataError:
            raise
        except Exception as error:  # the library raises many kinds of errors for a damaged file
            raise _damaged(folder, error) from error
        self._folder = folder

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        labels = {name: part for name, part in (self._rows.features or {}).items() if hasattr(part, "int2str")}
        number = 0
        try:
            for number, row in enumerate(self._rows, start=1):
                named = {name: part.int2str(row[name]) for name, part in labels.items() if row[name] is not None}
                yield SourceRow(f"row {number}", _values({**row, **named}))
        except (OSError, ValueError, RuntimeError) as error:
            yield BadRow(f"the rows after row {number}", f"damaged data ({error})")

    def count(self) -> int | None:
        """The number of rows."""
        return self._count

    def file(self, path: str) -> ImageFile:
        """The image of a path in a text column."""
        return self._files.file(path)


def _saved(folder: Path, split: str) -> tuple[Any, int]:
    import datasets

    loaded = datasets.load_from_disk(str(folder))
    if isinstance(loaded, datasets.DatasetDict):
        if split not in loaded:
            raise _no_split(folder, split, list(loaded))
        loaded = loaded[split]
    return loaded.to_iterable_dataset().decode(False), len(loaded)


def _parquet(folder: Path, split: str) -> tuple[Any, int]:
    import datasets
    from pyarrow.parquet import read_metadata

    files = _files_of(folder, split)
    count = sum(read_metadata(path).num_rows for path in files)
    names = [str(path) for path in files]
    rows = datasets.load_dataset(
        "parquet", data_files={"train": names}, split="train", streaming=True, batch_size=ROWS_AT_ONCE
    )
    return rows.decode(False), count


def _files_of(folder: Path, split: str) -> list[Path]:
    """The Parquet files of a split, by the word in their paths; all files, if no path names a split."""
    files = sorted(folder.rglob("*.parquet"))
    named = {path: _split_of(path.relative_to(folder).as_posix()) for path in files}
    if not any(named.values()):
        return files
    found = [path for path, name in named.items() if name == split]
    if not found:
        raise _no_split(folder, split, [name for name in named.values() if name])
    return found


def _split_of(path: str) -> str | None:
    words = re.split(r"[^a-z]+", path.lower().removesuffix(".parquet"))
    return next((word for word in words if word in _SPLITS), None)


def _values(row: Mapping[str, Any]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            values[name] = ImageFile("", lambda data=value: data)
        elif isinstance(value, Mapping) and value.keys() >= {"bytes", "path"}:
            if image := _image(value):
                values[name] = image
        else:
            values |= flat({name: value})
    return values


def _image(value: Mapping[str, Any]) -> ImageFile | None:
    """An image of the library: its bytes, or the path of a file on this machine that the library itself opens."""
    data, path = value["bytes"], value["path"] or ""
    if data is not None:
        return ImageFile(path, lambda: data)
    return ImageFile(path, lambda: _read_path(path)) if path else None


def _read_path(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"There is no image {path} ({error.strerror}): download the whole dataset.") from error


def _no_split(folder: Path, split: str, found: list[str]) -> DataError:
    return DataError(
        f"{folder} has no split {split!r}, only {', '.join(sorted(set(found)))}: choose one of these with --split."
    )


def _damaged(folder: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"The library `datasets` cannot read {folder} ({reason}): download the dataset again.")
