"""Measures whether an embedding places similar styles close together, compared with independent style vectors.

A router can handle an unseen style only if its embedding is close to the embeddings of similar known styles. Retrieval
does not measure this: an embedding that makes all styles orthogonal retrieves every style.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional

from ...errors import DataError
from ...progress import console
from ...training.style_encoder.examples import StyleExamples
from ..images import open_image
from ..metrics.style_vector import StyleVectorNetwork

PER_STYLE = 2
"""Images that represent a style."""


def sample_images(examples: StyleExamples) -> StyleExamples:
    """The first `PER_STYLE` images of every style."""
    counts: dict[str, int] = {}
    chosen = []
    for image in examples.images:
        counts[image.style] = counts.get(image.style, 0) + 1
        if counts[image.style] <= PER_STYLE:
            chosen.append(image)
    return replace(examples, images=chosen)


def style_vectors(examples: StyleExamples, network: StyleVectorNetwork) -> Tensor | None:
    """The style vectors [N, D] of all images; None, which is printed, if the network is not installed."""
    try:
        return torch.from_numpy(np.stack([network(open_image(image.path)) for image in examples.images]))
    except DataError as error:
        console.print(f"Left out: the similarity order of styles, because {error}", soft_wrap=True)
        return None


def rank_correlation(unseen: Sequence[Tensor], known: Sequence[Tensor], labels: tuple[Tensor, Tensor]) -> float | None:
    """Spearman's rank correlation of two embeddings' cosine distances between unseen and known styles, -1 to 1.

    Args:
        unseen: two embeddings [N, C] and [N, D] of images of unseen styles.
        known: the same two embeddings [M, C] and [M, D] of images of known styles.
        labels: style ids of the unseen [N] and the known images [M]. The mean vector represents a style.

    Returns:
        The correlation; None if all distances of one embedding are equal, or if there is only one.
    """
    distances = [
        1 - style_means(first, labels[0]) @ style_means(second, labels[1]).T
        for first, second in zip(unseen, known, strict=True)
    ]
    flat = [distance.flatten().numpy() for distance in distances]
    return None if any(np.ptp(distance) == 0 for distance in flat) else float(spearmanr(*flat).statistic)


def style_means(vectors: Tensor, labels: Tensor) -> Tensor:
    """The mean vector of each style, scaled to length 1: [S, C] from vectors [N, C] and style ids [N]."""
    means = torch.stack([vectors[labels == label].double().mean(dim=0) for label in labels.unique()])
    return functional.normalize(means, dim=-1)
