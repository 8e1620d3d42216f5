"""Reads WebDataset: tar archives whose files with one key are one row.

    00012.content.jpg    key 00012, column content
    00012.style.png      key 00012, column style
    00012.json           key 00012, columns json.style, json.prompt, ...
    00012.txt            key 00012, column txt

The files of a row follow each other. A file's key is its path up to the first dot of its name. Nothing is unpacked.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ...errors import DataError
from ..relative_path import require_inside
from .rows import IMAGE_SUFFIXES, BadRow, ImageFile, SourceRow, Value, flat, whole_text

SHARDS = (".tar", ".tar.gz", ".tgz")
MOST_BYTES = 2**28
"""Upper limit for a file in an archive, in bytes (256 MiB). A larger one is set aside and not read."""

_BROKEN = (tarfile.TarError, OSError, EOFError)
_OUTSIDE = "a path that leads out of the archive"


class TarShards:
    """The rows of all archives in a folder, in the order of their paths."""

    layout = "WebDataset"

    def __init__(self, folder: Path) -> None:
        self._folder, self.shards = folder, find_shards(folder)

    def __iter__(self) -> Iterator[SourceRow | BadRow]:
        for shard in self.shards:
            name = whole_text(shard.relative_to(self._folder).as_posix())
            try:
                with tarfile.open(shard, "r|*", errors="replace") as tar:
                    yield from _rows(tar, name)
            except _BROKEN as error:
                yield BadRow(name, f"an archive that ends early or is damaged ({error})")

    def count(self) -> int | None:
        """The number of keys, from the headers alone; None for compressed or damaged archives."""
        if any(shard.suffix != ".tar" for shard in self.shards):
            return None
        try:
            return sum(_keys(shard) for shard in self.shards)
        except _BROKEN:
            return None

    def file(self, path: str) -> ImageFile:
        """WebDataset holds its images in the rows, so a text names none."""
        raise DataError(
            f"The text {path!r} names no image, expected an image column: choose columns whose files are images, or "
            "give the table of paths with --metadata."
        )


def find_shards(folder: Path) -> list[Path]:
    """The tar archives in a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(SHARDS) and path.is_file())


def _rows(tar: tarfile.TarFile, shard: str) -> Iterator[SourceRow | BadRow]:
    key, values, problem = "", dict[str, Value](), ""
    for member in tar:
        tar.members = []  # tarfile would keep an object for each member
        if member.isdir() or _is_hidden(member.name):
            continue
        found, column = _split(member.name)
        if found != key:
            if key:
                yield _row(shard, key, values, problem)
            key, values, problem = found, {}, ""
        added, fault = _read(tar, member, column)
        problem = problem or fault or next((f"two files {name} in a row" for name in added if name in values), "")
        values |= added
    if key:
        yield _row(shard, key, values, problem)


def _row(shard: str, key: str, values: dict[str, Value], problem: str) -> SourceRow | BadRow:
    name = f"{shard}: {key}"
    return BadRow(name, problem) if problem else SourceRow(name, values)


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, column: str) -> tuple[dict[str, Value], str]:
    """The values of a file by column, and why it cannot be used."""
    try:
        require_inside(member.name)
    except DataError:
        return {}, _OUTSIDE
    if not member.isreg():
        return {}, "a link or a device in the archive"
    if member.size > MOST_BYTES:
        return {}, f"a file of more than {MOST_BYTES // 2**20} MiB"
    file = tar.extractfile(member)
    return ({}, "") if file is None else _values(file, member.name, column)


def _values(file: IO[bytes], name: str, column: str) -> tuple[dict[str, Value], str]:
    data = file.read()
    if name.lower().endswith(IMAGE_SUFFIXES):
        return {column: ImageFile(name, lambda: data)}, ""
    try:
        text = data.decode("utf-8")
        if not column.endswith("json"):
            return {column: text.strip()}, ""
        content = json.loads(text)
    except UnicodeDecodeError:
        return {}, ""  # other binary files, such as embeddings, are passed over
    except (ValueError, RecursionError):
        return {}, "a file .json that is not JSON"
    return ({**flat(content, f"{column}.")}, "") if isinstance(content, dict) else ({column: text}, "")


def _split(name: str) -> tuple[str, str]:
    """The key and the column of a file: "a/00012.content.jpg" -> ("a/00012", "content"); "00012.jpg" -> "jpg"."""
    folder, slash, file = name.rpartition("/")
    stem, _, rest = file.partition(".")
    column, _, suffix = rest.rpartition(".")
    is_image = f".{suffix.lower()}" in IMAGE_SUFFIXES
    return f"{folder}{slash}{stem}", column if column and is_image else rest


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _keys(shard: Path) -> int:
    keys, last = 0, ""
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            tar.members = []
            if member.isdir() or _is_hidden(member.name):
                continue
            key, _ = _split(member.name)
            keys, last = keys + (key != last), key
    return keys
