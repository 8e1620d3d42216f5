"""Reads a foreign dataset row by row into the image store. Images are fitted in the background, a few rows ahead."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...errors import DataError
from ...storage.disk_space import require_room
from ..triplet_report import TripletReport
from ..user_folder import SHAPE_TOLERANCE
from .columns import IMAGES, Columns, FoundColumns, Role, find_columns
from .image_store import ImageStore, StoredImage, fit_image
from .rows import BadRow, Source, SourceRow

FIRST_ROWS = 8
"""Rows that are read before the work: they tell the columns, and how much space the images need."""
ROWS_AHEAD = 8
"""Rows whose images may wait to be fitted. It bounds the memory."""


@dataclass(frozen=True)
class ImportedRow:
    """A triplet whose images are in the store.

    Attributes:
        name: the row's name in the report.
        content, reference, stylised: the images; the reference is None if it is chosen later.
        numbers: the images' numbers by role. Equal images have equal numbers.
    """

    name: str
    content: StoredImage
    reference: StoredImage | None
    stylised: StoredImage
    numbers: dict[Role, int]
    style: str
    content_name: str
    prompt: str


@dataclass(frozen=True)
class _Pending:
    name: str
    images: dict[Role, tuple[int, Future[StoredImage]]]
    texts: dict[Role, str | None]


def check_first_rows(
    source: Source, wanted: Columns, size: int, limit: int | None, folder: Path, given: bool = True
) -> FoundColumns:
    """Finds the columns, and checks with the first rows that triplets come out and that the disk has room for them.

    Args:
        source: the dataset.
        wanted: the user's choice of columns.
        size: side of the images in pixels.
        limit: most triplets to import; None for all.
        folder: where the dataset is written.
        given: whether the dataset must have style images.

    Raises:
        DataError: a column is missing, or none of the first rows is a triplet.
        StorageError: the disk has too little room.
    """
    first = list(islice(iter(source), FIRST_ROWS))
    rows = [row for row in first if isinstance(row, SourceRow)]
    problems = [f"{row.name}: {row.reason}" for row in first if isinstance(row, BadRow)]
    if not rows and problems:
        raise DataError(f"None of the first rows of {source.layout} can be read ({problems[0]}): download it again.")
    columns = find_columns(wanted, rows, source.layout, given)
    sizes: list[dict[bytes, int]] = []
    for row in rows:
        try:
            data = [columns.image(role, row, source).read() for role in IMAGES if role in columns.by_role]
            columns.text("style", row), columns.text("content_name", row)
            sizes.append({part: len(fit_image(part, row.name, size).data) for part in data})
        except DataError as error:
            problems.append(f"{row.name}: {error}")
    if not sizes:
        raise DataError(f"None of the first {len(first)} rows is a triplet ({problems[0]}): choose other columns.")
    _require_room(sizes, source.count(), limit, folder)
    return columns


def _require_room(sizes: list[dict[bytes, int]], count: int | None, limit: int | None, folder: Path) -> None:
    """The space of all triplets, by the distinct images of the first ones. Shared contents make it an upper limit."""
    distinct = {part: size for row in sizes for part, size in row.items()}
    rows = min((number for number in (count, limit) if number is not None), default=0)
    require_room(folder, rows * sum(distinct.values()) // len(sizes), f"about {rows:,} triplets")


def collect(
    source: Source, columns: FoundColumns, store: ImageStore, report: TripletReport, limit: int | None = None
) -> Iterator[ImportedRow]:
    """The usable rows, in the dataset's order; the others are set aside in the report with the reason.

    Args:
        source: the dataset.
        columns: the columns by role.
        store: takes the images.
        report: gets the rows that are left out, and counts the images that are changed.
        limit: most rows to yield.
    """
    seen: set[tuple[int, ...]] = set()
    changed: set[int] = set()
    kept = 0
    for pending in _ahead(_pending(source, columns, store, report), ROWS_AHEAD):
        row = _finished(pending, report)
        if row is None:
            continue
        key = tuple(row.numbers.values())
        if key in seen:
            report.leave_out("a second copy of a triplet", row.name)
            continue
        seen.add(key)
        for role, number in row.numbers.items():
            image = getattr(row, role)
            if image.change and number not in changed:
                changed.add(number)
                report.changed[image.change] += 1
        yield row
        kept += 1
        if kept == limit:
            return


def _pending(source: Source, columns: FoundColumns, store: ImageStore, report: TripletReport) -> Iterator[_Pending]:
    """The rows whose texts are whole and whose images could be read."""
    for row in source:
        if isinstance(row, BadRow):
            report.leave_out(row.reason, row.name)
            continue
        try:
            texts: dict[Role, str | None] = {role: columns.text(role, row) for role in ("style", "content_name")}
            texts["prompt"] = _prompt(columns, row)
            images = {role: columns.image(role, row, source) for role in IMAGES if role in columns.by_role}
        except DataError as error:
            report.leave_out(_reason(error), row.name)
            continue
        if not texts["style"]:
            report.leave_out("no name of a style", row.name)
            continue
        try:
            yield _Pending(row.name, {role: store.add(image) for role, image in images.items()}, texts)
        except DataError as error:
            report.leave_out(_reason(error), row.name)


def _prompt(columns: FoundColumns, row: SourceRow) -> str:
    """The prompt in one line; empty if the row has none."""
    column = columns.by_role.get("prompt", "")
    if "{" not in column and column not in row.values:
        return ""
    return " ".join((columns.text("prompt", row) or "").split())


def _reason(error: DataError) -> str:
    """The group of an error in the report: without the paths that differ from row to row."""
    text = str(error)
    for start, reason in (("There is no image", "an image is missing"), ("The path", "a path that leads out")):
        if text.startswith(start):
            return reason
    return text


def _finished(pending: _Pending, report: TripletReport) -> ImportedRow | None:
    """The row with its fitted images; None if one is broken or has another shape, which is reported."""
    images = {role: future.result() for role, (_, future) in pending.images.items()}
    for role, image in images.items():
        if image.problem:
            report.leave_out(f"its {role} image is {image.problem}", pending.name)
            return None
    if abs(images["stylised"].aspect / images["content"].aspect - 1) > SHAPE_TOLERANCE:
        report.leave_out("its stylised image has another shape than its content", pending.name)
        return None
    numbers = {role: number for role, (number, _) in pending.images.items()}
    style, prompt = pending.texts["style"] or "", pending.texts["prompt"] or ""
    content = pending.texts["content_name"] or f"content {numbers['content']:06d}"
    return ImportedRow(
        pending.name, images["content"], images.get("reference"), images["stylised"], numbers, style, content, prompt
    )


def _ahead(items: Iterable[_Pending], count: int) -> Iterator[_Pending]:
    """The same items, each after up to `count` further ones have been started."""
    waiting: deque[_Pending] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting
