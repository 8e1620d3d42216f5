"""Writes a triplet dataset, whole or not at all: first all images, then the choice of the style references."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import DataError
from ..progress import track
from .new_folder import whole_or_nothing
from .triplet_report import TripletReport
from .triplets import METADATA_FILE, Embed, choose_references

CONTENT_FOLDER = "content"
BATCH = 64
"""Number of images that are embedded at once."""

SPLIT_WORDS = {"train", "training", "test", "testing", "eval", "evaluation", "validation", "valid", "dev", "val"}
"""The library `datasets` takes a folder with such a word in its name for a split."""


@dataclass(frozen=True)
class TripletStyle:
    """Name and number of a style in the metadata.

    Attributes:
        image: draws the style image, uint8 [S, S, 3], if the style comes from an image; otherwise None. It is then the
            style reference of every other triplet of the style, because a user's style image shows no stylised photo.
    """

    name: str
    id: int
    image: Callable[[], np.ndarray] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class StylisedContent:
    """A content image, uint8 [S, S, 3], and its stylised images. Equal names mean that the content is the same.

    ``stylised`` can be iterated once; its images are made one by one to save memory.
    """

    name: str
    prompt: str
    image: np.ndarray
    stylised: Iterable[tuple[TripletStyle, np.ndarray]]


class StylisedContents(Protocol):
    """The contents of a split, made while they are written; ``len`` is for the progress bar."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[StylisedContent]: ...


def write_triplets(folder: Path, splits: Mapping[str, StylisedContents], embed: Embed, report: TripletReport) -> None:
    """Writes all splits and the report. An interruption leaves nothing.

    Args:
        folder: the folder to create; it must not exist (`new_folder.require_target`).
        splits: contents by split, "train" first.
        embed: the image embedding that the style references are chosen by.
        report: filled with counts and with the images left out.

    Raises:
        DataError: the training split has no triplet.
    """
    slugs: dict[str, str] = {}
    with whole_or_nothing(folder) as unfinished:
        for split, contents in splits.items():
            writer = _SplitWriter(unfinished / split, embed, slugs)
            for content in track(contents, split, len(contents)):
                writer.add(content)
            writer.finish(split, report)
        if not report.splits["train"]["triplets"]:
            reasons = "; ".join(f"{len(names)} x {reason}" for reason, names in report.left_out.items())
            raise DataError(
                f"the training split has no triplet ({reasons or 'no image'}): give each style images of two contents"
            )
        report.write(unfinished)


class _SplitWriter:
    """Writes images as they come, keeps rows and embeddings, and chooses the style references at the end."""

    def __init__(self, folder: Path, embed: Embed, slugs: dict[str, str]) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self._embed, self._slugs = embed, slugs
        self._pending: list[np.ndarray] = []
        self._embeddings: list[Tensor] = []
        self._contents: list[str] = []
        self._style_images: dict[str, str] = {}

    def add(self, example: StylisedContent) -> None:
        number = f"{len(self._contents) + 1:04d}.png"
        content = self._save(f"{CONTENT_FOLDER}/{number}", example.image)
        self._contents.append(content)
        for style, image in example.stylised:
            self._save_style_image(style)
            row = {"content_file_name": content, "reference_file_name": ""}
            row["stylised_file_name"] = self._save(f"{self._slug(style)}/{number}", image)
            row |= {"style": style.name, "style_id": style.id, "seen_style": True}
            self.rows.append({**row, "content_name": example.name, "prompt": example.prompt})
            self._pending.append(image)
            if len(self._pending) == BATCH:
                self._embed_pending()

    def finish(self, split: str, report: TripletReport) -> None:
        """Chooses the references, removes images without one, writes the metadata. An empty split gets no folder."""
        self._embed_pending()
        rows = self._paired(split, report)
        if split != "train":
            trained = report.splits["train"]["styles"]
            rows = [{**row, "seen_style": row["style"] in trained} for row in rows]
        report.count_split(split, rows)
        if not rows:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for content in set(self._contents) - {row["content_file_name"] for row in rows}:
            (self.folder / content).unlink()
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / METADATA_FILE).write_text(lines, encoding="utf-8")

    def _paired(self, split: str, report: TripletReport) -> list[dict[str, Any]]:
        rows, alone = [], []
        for row, reference in zip(self.rows, self._references(), strict=True):
            if reference is None:
                alone.append(row)
                (self.folder / row["stylised_file_name"]).unlink()
            else:
                rows.append({**row, "reference_file_name": reference})
        for slug in {Path(row["stylised_file_name"]).parent for row in alone}:
            (self.folder / slug).rmdir()
        reason = f"{split}: its style has no image of another content"
        report.leave_out(reason, *(f"{row['style']}/{row['content_name']}" for row in alone))
        return rows

    def _references(self) -> list[str | None]:
        """The style reference of each row: the most similar image of its style, or in turn the style's own image."""
        styles, contents = ([row[column] for row in self.rows] for column in ("style", "content_name"))
        embeddings = torch.cat(self._embeddings) if self._embeddings else torch.empty(0, 1)
        chosen = choose_references(embeddings, styles, contents)
        seen, references = Counter[str](), list[str | None]()
        for style, index in zip(styles, chosen, strict=True):
            own, other = self._style_images.get(style), None if index is None else self.rows[index]
            takes_own = own is not None and (other is None or seen[style] % 2 == 0)
            references.append(own if takes_own else other and other["stylised_file_name"])
            seen[style] += 1
        return references

    def _save_style_image(self, style: TripletStyle) -> None:
        if style.image is not None and style.name not in self._style_images:
            self._style_images[style.name] = self._save(f"{self._slug(style)}/style.png", style.image())

    def _save(self, name: str, image: np.ndarray) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, compress_level=3)
        return name

    def _slug(self, style: TripletStyle) -> str:
        if style.name not in self._slugs:
            self._slugs[style.name] = free_slug(style.name, {CONTENT_FOLDER, *self._slugs.values()})
        return self._slugs[style.name]

    def _embed_pending(self) -> None:
        if self._pending:
            self._embeddings.append(self._embed(self._pending).cpu())
            self._pending.clear()


def free_slug(name: str, taken: set[str]) -> str:
    """Returns a free folder name for a style: lower case, words joined by underscores, without `SPLIT_WORDS`."""
    words = re.split(r"[\W_]+", name.lower())
    slug = "_".join(word for word in words if word)[:80] or "style"
    if SPLIT_WORDS & set(re.split(r"[\W\d_]+", name.lower())):
        slug = "style" + slug.replace("_", "")
    numbered = (f"{slug}_{number}" for number in range(2, len(taken) + 3))
    return slug if slug not in taken else next(other for other in numbered if other not in taken)
