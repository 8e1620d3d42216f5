"""Whether an embedding puts like styles near each other: its distances against an independent judge's.

A router can make something of a style that it never saw only where the embedding puts it near styles that are painted
alike. Retrieval does not tell: an embedding that sets every style at right angles to every other finds them all.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional

from ...errors import DataError
from ...progress import console
from ...storage.image_reader import read_image
from ...training.style_encoder.examples import StyleExamples
from ..style_vector import Judge

PER_STYLE = 2
"""Images that stand for a style."""
JUDGED_SIDE = 256
"""Pixels of the square that the judge sees."""


def few_of_each(examples: StyleExamples) -> StyleExamples:
    """The first images of every style."""
    seen: dict[str, int] = {}
    chosen = []
    for image in examples.images:
        seen[image.style] = seen.get(image.style, 0) + 1
        if seen[image.style] <= PER_STYLE:
            chosen.append(image)
    return replace(examples, images=chosen)


def judged(examples: StyleExamples, judge: Judge) -> Tensor | None:
    """The judge's vectors [N, D] of all images; None, which is printed, where there is no judge."""
    try:
        return torch.from_numpy(np.stack([judge(_open(image.path)) for image in examples.images]))
    except DataError as error:
        console.print(f"Left out: the likeness of styles, as {error}", soft_wrap=True)
        return None


def likeness(unseen: Sequence[Tensor], known: Sequence[Tensor], labels: tuple[Tensor, Tensor]) -> float | None:
    """Spearman's rank correlation of two embeddings' cosine distances between unseen and known styles, -1 to 1.

    None where one of the two sees all distances equal, or where there is but one.

    Args:
        unseen: the embedding's and the judge's vectors [N, C], [N, D] of images of unseen styles.
        known: the same [M, C], [M, D] of those of the training.
        labels: styles of the unseen [N] and of the known [M]; each has its mean vector.
    """
    distances = [
        1 - style_means(first, labels[0]) @ style_means(second, labels[1]).T
        for first, second in zip(unseen, known, strict=True)
    ]
    flat = [distance.flatten().numpy() for distance in distances]
    return None if any(np.ptp(distance) == 0 for distance in flat) else float(spearmanr(*flat).statistic)


def style_means(vectors: Tensor, labels: Tensor) -> Tensor:
    """The mean vector of every style, of length 1, [S, C]."""
    means = torch.stack([vectors[labels == label].double().mean(dim=0) for label in labels.unique()])
    return functional.normalize(means, dim=-1)


def _open(path: Path) -> np.ndarray:
    """[256, 256, 3] uint8, the middle."""
    return np.asarray(ImageOps.fit(read_image(path), (JUDGED_SIDE, JUDGED_SIDE), Image.Resampling.LANCZOS))
