"""`styleroute train encoder`, from the data set to the encoder file and its report."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...moe import EncoderConfig, StyleEncoder, save_encoder
from ...progress import console
from ...storage.disk_space import require_writable
from ..judge import Judge, judge_style
from ..run_folder import RunFolder
from .config import EncoderTrainConfig
from .examples import StyleExamples, train_examples, unseen_examples
from .likeness import few_of_each, judged, likeness
from .pictures import train_pictures, unseen_pictures
from .report import PICTURE_FILE, EncoderReport, Retrieval, draw_styles, retrieve
from .trainer import LOSSES, EncoderTrainer
from .vision import Vision, load_vision, require_layers

FREE = ("run", "data", "output", "cache", "steps", "minutes", "save_every")
"""What may change between two pieces of a run."""


def train_style_encoder(config: EncoderTrainConfig, judge: Judge = judge_style) -> EncoderReport | None:
    """Trains, writes the encoder file, and reports; None where the test split has no two unseen styles.

    Args:
        config: what is trained.
        judge: gives the style vectors that likeness is measured by.

    Raises:
        DataError, TrainingError: something does not fit; nothing that was there is lost.
    """
    run = RunFolder(config.run, config, FREE)
    require_writable(config.encoder_file)
    pictures = train_pictures(config.data)
    unseen = unseen_pictures(config.data, pictures)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    vision = load_vision(config.vision, device)
    require_layers(vision, config.taps)
    examples = train_examples(config, pictures, vision)
    trainer = EncoderTrainer(config, run, new_encoder(config, vision).to(device), examples)
    run.begin()
    tried = unseen_examples(config, unseen, vision) if unseen else None
    trainer.train()
    report = evaluate(trainer.encoder, vision, tried, examples, config.run, judge) if tried else None
    _write(config, trainer, report)
    return report


def new_encoder(config: EncoderTrainConfig, vision: Vision) -> StyleEncoder:
    """An untrained encoder for the vision model, the same for the same seed."""
    sizes = EncoderConfig(
        taps=config.taps,
        num_queries=config.num_queries,
        num_tokens=vision.num_tokens,
        hidden_size=vision.hidden_size,
        proj_dim=config.proj_dim,
        cond_dim=len(config.taps) * config.num_queries * config.proj_dim,
        vision_model=vision.file,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return StyleEncoder(sizes)


def evaluate(
    encoder: StyleEncoder, vision: Vision, unseen: StyleExamples, known: StyleExamples, folder: Path, judge: Judge
) -> EncoderReport | None:
    """The report on unseen styles; its numbers and its t-SNE picture are written into `folder`.

    None where there are not two styles, or no picture has another one of its style to find.
    """
    styles = {picture.style_id: picture.style for picture in unseen.pictures}
    if len(styles) < 2:
        return None
    baseline = "pooled vector" if vision.has_head else "mean of last states"
    panels = {"style encoder": unseen.embed(encoder), f"vision model's {baseline}": unseen.pooled}
    noise = torch.randn(len(unseen), 64, generator=torch.Generator().manual_seed(0))
    contents = [picture.content for picture in unseen.pictures]
    vectors = {**panels, "random numbers": noise}
    rows = [retrieve(name, vector, unseen.labels, contents) for name, vector in vectors.items()]
    rows = _with_likeness(rows, encoder, few_of_each(unseen), few_of_each(known), judge)
    if not rows[0].queries:
        return None
    report = EncoderReport(list(styles.values()), rows)
    report.save(folder)
    draw_styles(folder / PICTURE_FILE, panels, unseen.labels, styles)
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


def _write(config: EncoderTrainConfig, trainer: EncoderTrainer, report: EncoderReport | None) -> None:
    """The encoder file, with a summary of its training."""
    summary: dict[str, Any] = {
        "steps": trainer.step,
        "pictures": len(trainer.examples),
        "styles": len(set(trainer.examples.labels.tolist())),
        **{name: getattr(config, name) for name in ("batch", "rate", "temperature", "seed")},
    }
    if last := trainer.losses[-LOSSES:]:
        summary["loss"] = sum(last) / len(last)
    if report:
        best = report.rows[0]
        names = ("recall_at_1", "mean_average_precision", "silhouette", "likeness")
        summary["unseen_styles"] = {name: getattr(best, name) for name in names}
    save_encoder(config.encoder_file, trainer.encoder.state_dict(), trainer.encoder.config, summary)
    if trainer.step < config.steps:
        console.print(f"Stopped after {trainer.step} of {config.steps} steps; the same command goes on from there")
