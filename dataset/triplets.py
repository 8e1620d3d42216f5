"""Triplet datasets (content, style reference, stylised image) on disk: a Hugging Face `imagefolder`.

    <folder>/train/metadata.jsonl       one row per triplet; the same under test/
    <folder>/train/content/0001.png     content 1
    <folder>/train/autumn_oil/0001.png  content 1 in a style; also the style reference of other triplets
    <folder>/report.json                options, counts, and images left out with the reason

`datasets.load_dataset("imagefolder", data_dir=folder)` loads it with the image columns content, reference and stylised.
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
from ..storage.text_reader import read_text

METADATA_FILE = "metadata.jsonl"

FILE_COLUMNS = ("content_file_name", "reference_file_name", "stylised_file_name")
"""`datasets` turns each into an image column without the ending. A further column `content` would replace the image,
so the content's name is in the column `content_name`."""

Embed = Callable[[list[np.ndarray]], Tensor]
"""Images [S, S, 3] uint8 -> embeddings [N, D]."""

REMEDY = "make one with `styleroute data paintings` or `styleroute data triplets`"


@dataclass(frozen=True)
class Triplet:
    """One training example: ``stylised`` is ``content`` in ``style``; ``reference`` is another image in this style.

    Attributes:
        content_name: name of the content. Scenes of one photo share it; the reference always has another one.
        seen_style: False in the test split for a style that the training split lacks.
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
    """Reads the triplets of a split, ``"train"`` or ``"test"``, with absolute paths.

    A triplet that lacks an image is skipped; the number and the missing images are printed.

    Raises:
        DataError: the folder is not a triplet dataset, or no triplet has all of its images.
    """
    metadata = Path(folder).resolve() / split / METADATA_FILE
    if not metadata.is_file():
        raise DataError(f"{folder} is not a triplet dataset, because {split}/{METADATA_FILE} is missing: {REMEDY}")
    lines = enumerate(read_text(metadata).splitlines(), start=1)
    triplets = [_read_row(metadata, number, line) for number, line in lines if line.strip()]
    whole = [triplet for triplet in triplets if not _missing(triplet)]
    if not whole:
        raise DataError(f"{metadata} has no triplet with all of its images ({len(triplets)} lack one): {REMEDY}")
    if lost := len(triplets) - len(whole):
        missing = sorted({path for triplet in triplets for path in _missing(triplet)})
        listed = "\n".join(f"  {path}" for path in missing)
        console.print(
            f"Skipped {lost} of {len(triplets)} triplets that lack an image (missing: {len(missing)}):\n{listed}",
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
        raise DataError(f"{metadata}, line {number}, is not a triplet ({error!r}): {REMEDY}") from error


def _missing(triplet: Triplet) -> list[Path]:
    return [path for path in (triplet.stylised, triplet.reference, triplet.content) if not path.is_file()]


def choose_references(embeddings: Tensor, styles: list[str], contents: list[str]) -> list[int | None]:
    """Chooses the reference of each stylised image: the most similar other image of its style (StyleExpert, dataset).

    The similarity is the cosine of the embeddings. A reference never shows the same content, because it would be the
    target itself. Of cosines that are equal to six digits, the first one wins.

    Args:
        embeddings: [N, D], one per stylised image.
        styles: N style names.
        contents: N content names.

    Returns:
        N indices; None if no other content has the style.

    Raises:
        DataError: an embedding is not finite.
    """
    vectors = embeddings.detach().float().cpu().numpy()
    if not len(vectors) == len(styles) == len(contents):
        raise ValueError(
            f"{len(vectors)} embeddings, {len(styles)} styles, {len(contents)} contents: give as many each"
        )
    if not np.isfinite(vectors).all():
        raise DataError("the image embedding gave values that are not finite: choose another one with --embedding")
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    references: list[int | None] = [None] * len(vectors)
    members: dict[str, list[int]] = {}
    for index, style in enumerate(styles):
        members.setdefault(style, []).append(index)
    for indices in members.values():
        names = np.array([contents[index] for index in indices])
        for index, nearest in zip(indices, _most_similar(vectors[indices], names), strict=True):
            references[index] = None if nearest is None else indices[nearest]
    return references


def _most_similar(vectors: np.ndarray, names: np.ndarray, rows: int = 1024) -> list[int | None]:
    """The index of the most similar vector with another name, for unit vectors [M, D]; in slices, to save memory."""
    chosen: list[int | None] = []
    for start in range(0, len(vectors), rows):
        part = slice(start, start + rows)
        cosine = (vectors[part] @ vectors.T).round(6)
        cosine[names[part, None] == names] = -np.inf
        best = cosine.argmax(axis=1)
        found = np.isfinite(cosine[np.arange(len(best)), best])
        chosen += [int(index) if other else None for index, other in zip(best, found, strict=True)]
    return chosen
