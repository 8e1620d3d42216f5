"""The data set of triplets (content, style reference, stylised) on disk: a Hugging Face `imagefolder`.

    <folder>/train/metadata.jsonl       a row a triplet; the same under test/
    <folder>/train/content/0001.png     the contents
    <folder>/train/autumn_oil/0001.png  content 1 in a style; also the reference of other triplets of this style
    <folder>/report.json                what it was made with, what it holds, what was left out and why

`datasets.load_dataset("imagefolder", data_dir=folder)` gives it with the image columns content, reference, stylised.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import DataError
from ..progress import console

METADATA_FILE = "metadata.jsonl"

FILE_COLUMNS = ("content_file_name", "reference_file_name", "stylised_file_name")
"""`datasets` makes an image column of each, without the ending. The content's name is therefore `content_name`:
a column `content` would replace the image."""

Embed = Callable[[list[np.ndarray]], Tensor]
"""Images [S, S, 3] uint8 -> embeddings [N, D]."""

MADE_BY = "`styleroute data paintings` or `styleroute data triplets` makes one"


@dataclass(frozen=True)
class Triplet:
    """One training example: ``content`` painted in ``style`` is ``stylised``; ``reference`` shows the style.

    Attributes:
        content_name: which thing the content shows; scenes of one photo share it, and references never do.
        seen_style: False in the test split for a style that the train split does not have.
    """

    content: Path
    reference: Path
    stylised: Path
    style: str
    style_id: int
    content_name: str
    prompt: str
    seen_style: bool = True


def read_triplets(folder: Path, split: str) -> list[Triplet]:
    """The triplets of a split, ``"train"`` or ``"test"``, with absolute paths.

    A triplet that lacks an image is skipped; how many, and which images, is printed.

    Raises:
        DataError: the folder holds no such data set, or none of its images.
    """
    metadata = Path(folder).resolve() / split / METADATA_FILE
    if not metadata.is_file():
        raise DataError(f"{folder} holds no triplets: it lacks {split}/{METADATA_FILE}; {MADE_BY}")
    lines = enumerate(metadata.read_text(encoding="utf-8").splitlines(), start=1)
    triplets = [_read_row(metadata, number, line) for number, line in lines if line.strip()]
    whole = [triplet for triplet in triplets if not _missing(triplet)]
    if not whole:
        raise DataError(f"{metadata} has no triplet whose images are there ({len(triplets)} lack one); {MADE_BY}")
    if lost := len(triplets) - len(whole):
        missing = sorted({path for triplet in triplets for path in _missing(triplet)})
        listed = "\n".join(f"  {path}" for path in missing)
        console.print(
            f"Skipped {lost} of {len(triplets)} triplets, for want of images ({len(missing)}):\n{listed}",
            soft_wrap=True,
        )
    return whole


def _read_row(metadata: Path, number: int, line: str) -> Triplet:
    try:
        row: dict[str, Any] = json.loads(line)
        images = [metadata.parent / row[column] for column in FILE_COLUMNS]
        style, content = (row["style"], int(row["style_id"])), (str(row["content_name"]), row["prompt"] or "")
        return Triplet(*images, *style, *content, bool(row.get("seen_style", True)))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{metadata}, line {number}, is no triplet ({error!r}); {MADE_BY}") from error


def _missing(triplet: Triplet) -> list[Path]:
    return [path for path in (triplet.stylised, triplet.reference, triplet.content) if not path.is_file()]


def choose_references(embeddings: Tensor, styles: list[str], contents: list[str]) -> list[int | None]:
    """For each stylised image the most similar other one of its style (StyleExpert, the data set's section).

    Similar is the cosine of the embeddings. The reference never shows the same content: it would give the answer
    away. Cosines equal to six digits are a tie, and the first wins.

    Args:
        embeddings: [N, D], one a stylised image.
        styles: N names.
        contents: N names.

    Returns:
        N indices; None where no other content has the style.

    Raises:
        DataError: an embedding that is no number.
    """
    vectors = embeddings.detach().float().cpu().numpy()
    if not len(vectors) == len(styles) == len(contents):
        raise ValueError(
            f"{len(vectors)} embeddings, {len(styles)} styles, {len(contents)} contents: give as many each"
        )
    if not np.isfinite(vectors).all():
        raise DataError("the image embedding gave values that are no numbers: choose another with --embedding")
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    references: list[int | None] = [None] * len(vectors)
    members: dict[str, list[int]] = {}
    for index, style in enumerate(styles):
        members.setdefault(style, []).append(index)
    for indices in members.values():
        names = np.array([contents[index] for index in indices])
        for index, place in zip(indices, _most_similar(vectors[indices], names), strict=True):
            references[index] = None if place is None else indices[place]
    return references


def _most_similar(vectors: np.ndarray, names: np.ndarray, rows: int = 1024) -> list[int | None]:
    """For each of the unit vectors [M, D] the nearest with another name; in slices, for styles of many images."""
    chosen: list[int | None] = []
    for start in range(0, len(vectors), rows):
        part = slice(start, start + rows)
        cosine = (vectors[part] @ vectors.T).round(6)
        cosine[names[part, None] == names] = -np.inf
        best = cosine.argmax(axis=1)
        found = np.isfinite(cosine[np.arange(len(best)), best])
        chosen += [int(place) if other else None for place, other in zip(best, found, strict=True)]
    return chosen
