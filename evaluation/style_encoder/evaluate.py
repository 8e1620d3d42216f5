"""Evaluates a style encoder on styles that it was not trained on."""

from dataclasses import replace
from pathlib import Path

import torch

from ...moe import StyleEncoder
from ...training.style_encoder.examples import StyleExamples
from ...training.style_encoder.vision import Vision
from ..style_vector import Judge, judge_style
from .report import IMAGE_FILE, EncoderReport, Retrieval, draw_styles, retrieve
from .similarity import few_of_each, judged, likeness


def evaluate_encoder(
    encoder: StyleEncoder,
    vision: Vision,
    unseen: StyleExamples,
    known: StyleExamples,
    folder: Path,
    judge: Judge = judge_style,
) -> EncoderReport | None:
    """The report on unseen styles; its numbers and its t-SNE image are written into `folder`.

    None where there are not two styles, or no image has another one of its style to find.
    """
    styles = {image.style_id: image.style for image in unseen.images}
    if len(styles) < 2:
        return None
    baseline = "pooled vector" if vision.has_head else "mean of last states"
    panels = {"style encoder": unseen.embed(encoder), f"vision model's {baseline}": unseen.pooled}
    noise = torch.randn(len(unseen), 64, generator=torch.Generator().manual_seed(0))
    contents = [image.content for image in unseen.images]
    vectors = {**panels, "random numbers": noise}
    rows = [retrieve(name, vector, unseen.labels, contents) for name, vector in vectors.items()]
    rows = _with_likeness(rows, encoder, few_of_each(unseen), few_of_each(known), judge)
    if not rows[0].queries:
        return None
    report = EncoderReport(list(styles.values()), rows)
    report.save(folder)
    draw_styles(folder / IMAGE_FILE, panels, unseen.labels, styles)
    return report


def _with_likeness(
    rows: list[Retrieval], encoder: StyleEncoder, unseen: StyleExamples, known: StyleExamples, judge: Judge
) -> list[Retrieval]:
    """Of the encoder and of the vision model alone; as they are where there is no judge."""
    both = unseen, known
    seen = [judged(examples, judge) for examples in both]
    if seen[0] is None or seen[1] is None:
        return rows
    of_encoder, of_vision = ([examples.embed(encoder) for examples in both], [examples.pooled for examples in both])
    labels = unseen.labels, known.labels
    measured = [
        replace(row, likeness=likeness((found[0], seen[0]), (found[1], seen[1]), labels))
        for row, found in zip(rows, (of_encoder, of_vision), strict=False)
    ]
    return [*measured, *rows[len(measured) :]]
