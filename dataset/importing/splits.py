"""Divides imported triplets into training and test, and checks or chooses their style images."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch

from ...storage.image_reader import read_image
from ..triplet_report import TripletReport
from ..triplet_writer import BATCH
from ..triplets import Embed, choose_references
from ..user_folder import HoldOut
from .collect import ImportedRow
from .image_store import StoredImage

Split = list[tuple[ImportedRow, StoredImage]]
"""Triplets, each with its style image."""


def split_rows(rows: Sequence[ImportedRow], hold: HoldOut, report: TripletReport) -> dict[str, list[ImportedRow]]:
    """The rows by split. Test contents have all their styles; training has neither test contents nor test styles.

    Raises:
        DataError: the numbers leave no content or no style for training.
    """
    contents, styles = (sorted({getattr(row, name) for row in rows}) for name in ("content_name", "style"))
    test_contents, test_styles = hold.draw(contents, styles)
    splits: dict[str, list[ImportedRow]] = {"train": [], **({"test": []} if test_contents else {})}
    for row in rows:
        if row.content_name in test_contents:
            splits["test"].append(row)
        elif row.style in test_styles:
            report.leave_out("a training content in a held-out style", row.name)
        else:
            splits["train"].append(row)
    return splits


def given_references(splits: dict[str, list[ImportedRow]], report: TripletReport) -> dict[str, Split]:
    """The rows whose own style image shows another content, and in training no test content."""
    contents: defaultdict[int, set[str]] = defaultdict(set)
    for row in (row for rows in splits.values() for row in rows):
        contents[row.numbers["stylised"]].add(row.content_name)
        contents[row.numbers["content"]].add(row.content_name)
    tested = {row.content_name for row in splits.get("test", ())}
    found: dict[str, Split] = {}
    for split, rows in splits.items():
        found[split] = []
        for row in rows:
            shown = contents.get(row.numbers["reference"], set())
            if row.content_name in shown:
                report.leave_out("its style image shows its own content", row.name)
            elif split == "train" and shown & tested:
                report.leave_out("its style image shows a test content", row.name)
            elif row.reference is not None:
                found[split].append((row, row.reference))
    return found


def chosen_references(splits: dict[str, list[ImportedRow]], embed: Embed, report: TripletReport) -> dict[str, Split]:
    """The rows, each with the most similar image of its style and split that shows another content."""
    found: dict[str, Split] = {}
    for split, rows in splits.items():
        embeddings = [embed(_pixels(rows[start : start + BATCH])).cpu() for start in range(0, len(rows), BATCH)]
        vectors = torch.cat(embeddings) if embeddings else torch.empty(0, 1)
        chosen = choose_references(vectors, [row.style for row in rows], [row.content_name for row in rows])
        alone = [row.name for row, index in zip(rows, chosen, strict=True) if index is None]
        report.leave_out(f"{split}: its style has no image of another content", *alone)
        found[split] = [
            (row, rows[index].stylised) for row, index in zip(rows, chosen, strict=True) if index is not None
        ]
    return found


def _pixels(rows: Sequence[ImportedRow]) -> list[np.ndarray]:
    return [np.asarray(read_image(row.stylised.file)) for row in rows]
