"""`styleroute train region`, from the manifest to one LoRA a style."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ...attention.phrases import style_stem
from ...dataset.region_manifest import MANIFEST_FILE, RegionExample, read_manifest
from ...errors import TrainingError
from ...moe import ExpertConfig, save_expert
from ...progress import console
from ...storage.disk_space import require_writable
from ..adapters.config import free_fields
from ..adapters.running import base_dtype, one_fills_the_caches, start_accelerator
from ..adapters.trainer import LOSSES
from ..bases import Base, load_base
from ..run_folder import RunFolder
from .config import RegionTrainConfig
from .examples import RegionExamples, make_examples
from .spans import Described, describe, require_several_tokens
from .trainer import RegionTrainer
from .validation import Validation

TOLD = (
    "supervise", "blocks", "without", "reference_index", "guidance", "rate", "batch", "accumulation", "adapted", "seed"
)  # fmt: skip
"""What a LoRA's header says of its training, beside its length and loss."""


@dataclass(frozen=True)
class Material:
    """What the styles are trained with: the accelerator, the base, by style the examples to train on and to look at."""

    accelerator: Accelerator
    base: Base
    trained: Mapping[str, RegionExamples]
    tested: Mapping[str, RegionExamples]


def train_regions(config: RegionTrainConfig) -> tuple[Path, ...]:
    """Train each style in turn and write its LoRA, with sheets of validation images on the way.

    Under `accelerate launch` every process calls this; the first alone writes.

    Returns:
        The files of the styles that were begun.

    Raises:
        DataError, TrainingError, AttentionError: something does not fit; nothing that was there is lost.
    """
    ends = time.monotonic() + config.minutes * 60
    rows = read_manifest(config.data, "train", config.root)
    styles = _chosen(config, rows)
    runs = {style: RunFolder(config.of_style(style).run, config.of_style(style), free_fields(config))
            for style in styles}  # fmt: skip
    material = _material(config, rows, styles)
    written = []
    for style in styles:
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            console.print(f"Time is up before {style}; the same command goes on from there")
            break
        one = replace(config.of_style(style), minutes=left, output=config.output or config.run)
        written.append(_train_style(one, runs[style], material))
    return tuple(written)


def _chosen(config: RegionTrainConfig, rows: Sequence[RegionExample]) -> tuple[str, ...]:
    """The styles to train.

    Raises:
        TrainingError: the manifest lacks one.
    """
    there = tuple(dict.fromkeys(style for row in rows for style in row.styles))
    if unknown := [style for style in config.styles if style not in there]:
        raise TrainingError(f"{config.data} has no style {unknown[0]!r}: give --styles of {', '.join(there)}")
    return config.styles or there


def _material(config: RegionTrainConfig, rows: Sequence[RegionExample], styles: Sequence[str]) -> Material:
    accelerator = start_accelerator(config.precision)
    if accelerator.is_main_process:
        for style in styles:
            require_writable(config.expert_file(style))
    base = load_base(config.base, str(accelerator.device), base_dtype(config.precision), config.text_tokens)
    # Every prompt is looked through before the first image is encoded.
    trained = _described(config, rows, styles, base)
    if config.supervised and config.losses.slice == "span":
        for style, described in trained.items():
            require_several_tokens(described, style)
    tested = {}
    if _validates(config):
        rows = read_manifest(config.data, "test")
        alone = {row.styles for row in rows}
        tested = _described(config, rows, [style for style in styles if (style,) in alone], base)

    def encode(part: Mapping[str, Sequence[Described]], split: str) -> dict[str, RegionExamples]:
        # A folder a style: another choice of styles, or one more, finds what was encoded before.
        folders = {style: config.cache / style_stem(style) / split for style in part}
        return {style: make_examples(found, base, folders[style]) for style, found in part.items()}

    with one_fills_the_caches(accelerator):
        material = Material(accelerator, base, encode(trained, "train"), encode(tested, "test"))
    base.free_encoders()
    return material


def _described(
    config: RegionTrainConfig, rows: Sequence[RegionExample], styles: Sequence[str], base: Base
) -> dict[str, list[Described]]:
    return {style: describe(rows, style, base, config.supervise == "every-map") for style in styles}


def _validates(config: RegionTrainConfig) -> bool:
    """The release's manifest has no test split."""
    return config.validate_every > 0 and (config.data / "test" / MANIFEST_FILE).is_file()


def _train_style(config: RegionTrainConfig, run: RunFolder, material: Material) -> Path:
    [style], accelerator = config.styles, material.accelerator
    examples = material.trained[style]
    identity = f"{material.base.identity} {examples.identity()}"
    trainer = RegionTrainer(config, run, accelerator, material.base.transformer(), examples, identity)
    if accelerator.is_main_process:
        run.begin()
    tested = material.tested.get(style)
    validation = tested and Validation(config, material.base, tested)
    try:
        trainer.train(on_step=lambda step: _validate(trainer, validation, step))
    except KeyboardInterrupt:
        if trainer.whole:
            _write(trainer, style, material.base.name)
        raise
    _write(trainer, style, material.base.name)
    accelerator.free_memory()
    return config.expert_file(style)


def _validate(trainer: RegionTrainer, validation: Validation | None, step: int) -> None:
    config, accelerator = trainer.config, trainer.accelerator
    if validation is None or (step % config.validate_every and step != config.steps):
        return
    if accelerator.is_main_process:
        pixels, figures = validation.run(trainer, trainer.run.path / "validation" / f"{step:06}.png")
        trainer.run.curves.add_image("validation", pixels, step, dataformats="HWC")
        for name, value in figures.items():
            trainer.run.curves.add_scalar(name, value, step)
        validation.base.free_encoders()
    accelerator.wait_for_everyone()


def _write(trainer: RegionTrainer, style: str, base: str) -> None:
    if not trainer.accelerator.is_main_process or not trainer.step:
        return
    config, path = trainer.config, trainer.config.expert_file(style)
    dtype = torch.float16 if config.half else torch.float32
    trainer.require_finite_weights(dtype)
    lora = {name: weight.detach().to(dtype) for name, weight in trainer.trained.items()}
    save_expert(path, lora, ExpertConfig.plain_lora(config.rank, base), None, None, _summary(trainer, style))
    console.print(f"Wrote {path}", soft_wrap=True)
    if trainer.step < config.steps:
        console.print(f"Stopped after {trainer.step} of {config.steps} steps; the same command goes on from there")


def _summary(trainer: RegionTrainer, style: str) -> dict[str, Any]:
    config, last = trainer.config, trainer.losses[-LOSSES:]
    summary: dict[str, Any] = {"style": style, "steps": trainer.step, "examples": len(trainer.examples.rows)}
    summary |= {"loss": sum(last) / len(last)}
    told = {name: getattr(config, name) for name in TOLD} | summary
    # What it was trained to look with; without an attention loss it was not.
    return told | {"blocks": list(trainer.capture.blocks) if config.supervised else []}
