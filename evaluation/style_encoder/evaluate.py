"""Evaluates a style encoder on styles that were not in its training."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ...moe import StyleEncoder
from ...training.style_encoder.examples import StyleExamples
from ...training.style_encoder.vision import Vision
from ..metrics.style_vector import StyleVectorNetwork, predict_style_vector
from .report import IMAGE_FILE, EncoderReport
from .retrieval import RetrievalScores, retrieve
from .similarity_order import rank_correlation, sample_images, style_vectors
from .tsne import plot_styles

RANDOM_WIDTH = 64
"""Width of the random vectors that show the scores of chance."""


def evaluate_encoder(
    encoder: StyleEncoder,
    vision: Vision,
    unseen: StyleExamples,
    known: StyleExamples,
    folder: Path,
    network: StyleVectorNetwork = predict_style_vector,
) -> EncoderReport | None:
    """Score the encoder, and write the report and its t-SNE plot into `folder`.

    Args:
        encoder: the trained encoder.
        vision: the vision model whose states the encoder reads.
        unseen: images of styles that were not in the training.
        known: images of the training.
        folder: folder for the files.
        network: maps images to style vectors, for the similarity order.

    Returns:
        The report; None with fewer than two unseen styles, or if no style has images of two contents.
    """
    styles = {image.style_id: image.style for image in unseen.images}
    if len(styles) < 2:
        return None
    panels = {"style encoder": unseen.embed(encoder), _baseline_name(vision): unseen.pooled}
    contents = [image.content for image in unseen.images]
    embeddings = {**panels, "random numbers": _random_vectors(len(unseen))}
    rows = [retrieve(name, vectors, unseen.labels, contents) for name, vectors in embeddings.items()]
    rows = _with_similarity_order(rows, encoder, sample_images(unseen), sample_images(known), network)
    if not rows[0].queries:
        return None
    report = EncoderReport(list(styles.values()), rows)
    report.save(folder)
    plot_styles(folder / IMAGE_FILE, panels, unseen.labels, styles)
    return report


def _baseline_name(vision: Vision) -> str:
    return f"vision model's {'pooled vector' if vision.has_head else 'mean of last states'}"


def _random_vectors(count: int) -> Tensor:
    return torch.randn(count, RANDOM_WIDTH, generator=torch.Generator().manual_seed(0))


def _with_similarity_order(
    rows: list[RetrievalScores],
    encoder: StyleEncoder,
    unseen: StyleExamples,
    known: StyleExamples,
    network: StyleVectorNetwork,
) -> list[RetrievalScores]:
    """Add the similarity order to the rows of the encoder and the vision model, unless the network is missing."""
    both = unseen, known
    references = [style_vectors(examples, network) for examples in both]
    if references[0] is None or references[1] is None:
        return rows
    embeddings = [examples.embed(encoder) for examples in both], [examples.pooled for examples in both]
    labels = unseen.labels, known.labels
    measured = []
    for row, vectors in zip(rows, embeddings, strict=False):
        order = rank_correlation((vectors[0], references[0]), (vectors[1], references[1]), labels)
        measured.append(replace(row, similarity_order=order))
    return [*measured, *rows[len(measured) :]]
