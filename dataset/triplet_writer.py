"""Writing a data set of triplets, whole or not at all: images as they come, then the rule that pairs them."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
"""Images embedded at once."""

SPLIT_WORDS = {"train", "training", "test", "testing", "eval", "evaluation", "validation", "valid", "dev", "val"}
"""`datasets` takes a folder with such a word in its name for a split."""


@dataclass(frozen=True)
class TripletStyle:
    """A style's name and number, as they stand in the metadata."""

    name: str
    id: int


@dataclass(frozen=True)
class StylisedContent:
    """A content [S, S, 3] uint8 and what it became in its styles; equal names show the same thing.

    ``stylised`` is gone through once, so that its images need not be in memory together.
    """

    name: str
    prompt: str
    image: np.ndarray
    stylised: Iterable[tuple[TripletStyle, np.ndarray]]


class StylisedContents(Protocol):
    """A split's examples, made while they are written; ``len`` is for the progress bar."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[StylisedContent]: ...


def write_triplets(folder: Path, splits: Mapping[str, StylisedContents], embed: Embed, report: TripletReport) -> None:
    """Write all splits and the report. A stop half way leaves nothing.

    Args:
        folder: must not be there yet (`new_folder.require_target`).
        splits: examples by split, "train" first.
        embed: what the rule compares images by.
        report: is filled with what is held and left out.

    Raises:
        DataError: no training triplet came of it.
    """
    slugs: dict[str, str] = {}
    with whole_or_nothing(folder) as unfinished:
        for split, examples in splits.items():
            writer = _SplitWriter(unfinished / split, embed, slugs)
            for example in track(examples, split, len(examples)):
                writer.add(example)
            writer.finish(split, report)
        if not report.splits["train"]["triplets"]:
            reasons = "; ".join(f"{len(names)} x {reason}" for reason, names in report.left_out.items())
            raise DataError(f"no training triplet came of it ({reasons or 'no image'}); a style needs two contents")
        report.write(unfinished)


class _SplitWriter:
    """Writes images at once, keeps rows and embeddings, and pairs them at the end."""

    def __init__(self, folder: Path, embed: Embed, slugs: dict[str, str]) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self._embed, self._slugs = embed, slugs
        self._pending: list[np.ndarray] = []
        self._embeddings: list[Tensor] = []
        self._contents: list[str] = []

    def add(self, example: StylisedContent) -> None:
        number = f"{len(self._contents) + 1:04d}.png"
        content = self._save(f"{CONTENT_FOLDER}/{number}", example.image)
        self._contents.append(content)
        for style, image in example.stylised:
            row = {"content_file_name": content, "reference_file_name": ""}
            row["stylised_file_name"] = self._save(f"{self._slug(style)}/{number}", image)
            row |= {"style": style.name, "style_id": style.id, "seen_style": True}
            self.rows.append({**row, "content_name": example.name, "prompt": example.prompt})
            self._pending.append(image)
            if len(self._pending) == BATCH:
                self._embed_pending()

    def finish(self, split: str, report: TripletReport) -> None:
        """Choose the references, remove what has none, write the metadata; an empty split leaves no folder."""
        self._embed_pending()
        rows = self._paired(split, report)
        if split != "train":
            trained = report.splits["train"]["styles"]
            rows = [{**row, "seen_style": row["style"] in trained} for row in rows]
        report.hold(split, rows)
        if not rows:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for content in set(self._contents) - {row["content_file_name"] for row in rows}:
            (self.folder / content).unlink()
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.folder / METADATA_FILE).write_text(lines, encoding="utf-8")

    def _paired(self, split: str, report: TripletReport) -> list[dict[str, Any]]:
        styles, contents = ([row[column] for row in self.rows] for column in ("style", "content_name"))
        embeddings = torch.cat(self._embeddings) if self._embeddings else torch.empty(0, 1)
        rows, alone = [], []
        for row, reference in zip(self.rows, choose_references(embeddings, styles, contents), strict=True):
            if reference is None:
                alone.append(row)
                (self.folder / row["stylised_file_name"]).unlink()
            else:
                rows.append({**row, "reference_file_name": self.rows[reference]["stylised_file_name"]})
        for slug in {Path(row["stylised_file_name"]).parent for row in alone}:
            (self.folder / slug).rmdir()
        reason = f"{split}: its style has no image of another content"
        report.leave_out(reason, *(f"{row['style']}/{row['content_name']}" for row in alone))
        return rows

    def _save(self, name: str, image: np.ndarray) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, compress_level=3)
        return name

    def _slug(self, style: TripletStyle) -> str:
        if style.name not in self._slugs:
            self._slugs[style.name] = _free_slug(style.name, {CONTENT_FOLDER, *self._slugs.values()})
        return self._slugs[style.name]

    def _embed_pending(self) -> None:
        if self._pending:
            self._embeddings.append(self._embed(self._pending).cpu())
            self._pending.clear()


def _free_slug(name: str, taken: set[str]) -> str:
    """A folder's name for a style: lower case, words joined by an underscore, none that `datasets` gives a meaning."""
    words = re.split(r"[\W_]+", name.lower())
    slug = "_".join(word for word in words if word)[:80] or "style"
    if SPLIT_WORDS & set(re.split(r"[\W\d_]+", name.lower())):
        slug = "style" + slug.replace("_", "")
    numbered = (f"{slug}_{number}" for number in range(2, len(taken) + 3))
    return slug if slug not in taken else next(other for other in numbered if other not in taken)
