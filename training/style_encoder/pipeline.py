"""`styleroute train encoder`: all steps from the dataset to the encoder file and its evaluation."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from ...moe import EncoderConfig, StyleEncoder, save_encoder
from ...progress import console
from ...storage.disk_space import require_writable
from ..run_folder import RunFolder
from ..step_trainer import LOSSES
from .config import EncoderTrainConfig
from .examples import StyleExamples, train_examples, unseen_examples
from .images import train_images, unseen_images
from .trainer import EncoderTrainer
from .vision import Vision, load_vision, require_layers

FREE = ("run", "data", "output", "cache", "steps", "minutes", "save_every", "log_every", "tracker")
"""Options that may change when a run is continued."""


class EncoderScores(Protocol):
    """The result of an evaluation. `summary` goes into the encoder file."""

    @property
    def summary(self) -> Mapping[str, float | None]: ...


Scores = TypeVar("Scores", bound=EncoderScores)

Evaluate = Callable[[StyleEncoder, Vision, StyleExamples, StyleExamples, Path], Scores | None]
"""Encoder, vision model, examples of unseen styles, training examples, folder for files -> scores."""


def train_style_encoder(config: EncoderTrainConfig, evaluate: Evaluate[Scores] | None = None) -> Scores | None:
    """Train an encoder, evaluate it on unseen styles, and write the encoder file.

    Args:
        config: the training options.
        evaluate: scores the trained encoder. None: no evaluation.

    Returns:
        The result of `evaluate`; None if the test split has no unseen style.

    Raises:
        DataError: the dataset cannot be read.
        TrainingError: the dataset, the vision model or the run folder does not fit. Existing files stay.
    """
    run = RunFolder(config.run, config, FREE, config.tracker)
    require_writable(config.encoder_file)
    images = train_images(config.data)
    unseen = unseen_images(config.data, images)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    vision = load_vision(config.vision, device)
    require_layers(vision, config.taps)
    examples = train_examples(config, images, vision)
    trainer = EncoderTrainer(config, run, new_encoder(config, vision).to(device), examples)
    run.begin()
    test_examples = unseen_examples(config, unseen, vision) if unseen and evaluate else None
    try:
        trainer.train()
    finally:
        run.curves.close()
    scores = None
    if test_examples and evaluate:
        scores = evaluate(trainer.encoder, vision, test_examples, examples, config.run)
    _write(config, trainer, scores)
    return scores


def new_encoder(config: EncoderTrainConfig, vision: Vision) -> StyleEncoder:
    """Returns an untrained encoder for the vision model; equal seeds give equal weights."""
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


def _write(config: EncoderTrainConfig, trainer: EncoderTrainer, scores: EncoderScores | None) -> None:
    """Writes the encoder file with a summary of its training."""
    summary: dict[str, Any] = {
        "steps": trainer.step,
        "images": len(trainer.examples),
        "styles": len(set(trainer.examples.labels.tolist())),
        **{name: getattr(config, name) for name in ("batch", "rate", "temperature", "seed")},
    }
    if last := trainer.losses[-LOSSES:]:
        summary["loss"] = sum(last) / len(last)
    if scores:
        summary["unseen_styles"] = dict(scores.summary)
    save_encoder(config.encoder_file, trainer.encoder.state_dict(), trainer.encoder.config, summary)
    if trainer.step < config.steps:
        console.print(f"Stopped after {trainer.step} of {config.steps} steps; the same command continues the run")
