"""`styleroute train region`, from the manifest to one LoRA a style."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from ...attention.phrases import style_stem
from ...moe import save_expert
from ..adapters.config import free_fields
from ..adapters.lora_file import lora_config
from ..adapters.running import base_dtype, one_fills_the_caches, start_accelerator
from ..adapters.trainer import LOSSES
from ..bases import Base, load_base
from ..data.region_manifest import MANIFEST_FILE, RegionExample, read_manifest
from ..disk import require_writable
from ..progress import console
from ..run_folder import RunFolder, TrainingError
from .config import RegionTrainConfig
from .examples import RegionExamples, make_examples
from .trainer import RegionTrainer
from .validation import Validation

TOLD = (
    "supervise", "blocks", "without", "reference_index", "guidance", "rate", "batch", "accumulation", "adapted", "seed"
)  # fmt: skip
"""What a LoRA's header says of its training, beside its length and loss."""


@dataclass(frozen=True)
class Material:
    """What all styles share: the accelerator, the base, the examples to train on and to look at."""

    accelerator: Accelerator
    base: Base
    trained: RegionExamples
    tested: RegionExamples | None


def train_regions(config: RegionTrainConfig) -> tuple[Path, ...]:
    """Train each style in turn and write its LoRA, with sheets of validation pictures on the way.

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
    # Every prompt is looked through before the first style is trained.
    every = config.supervise == "every-map"
    examples = {style: material.trained.of_style(style, material.base, every) for style in styles}
    if config.supervised and config.losses.slice == "span":
        _require_several_tokens(examples)
    material.base.free_encoders()
    written = []
    for style in styles:
        left = (ends - time.monotonic()) / 60
        if left <= 0:
            console.print(f"Time is up before {style}; the same command goes on from there")
            break
        one = replace(config.of_style(style), minutes=left, output=config.output or config.run)
        written.append(_train_style(one, runs[style], material, examples[style]))
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
    device = str(accelerator.device)
    base = load_base(config.base, device, base_dtype(config.precision), config.text_tokens)
    cache = config.cache / (style_stem(styles[0]) if len(styles) == 1 else "several")
    with one_fills_the_caches(accelerator):
        trained, tested = make_examples(_in_styles(rows, styles), base, cache / "train"), None
        if _validates(config) and (rows := _in_styles(read_manifest(config.data, "test"), styles)):
            tested = make_examples(rows, base, cache / "test")
    return Material(accelerator, base, trained, tested)


def _require_several_tokens(examples: Mapping[str, RegionExamples]) -> None:
    """Of a style of one token the softmax over its own tokens is 1 everywhere.

    Raises:
        TrainingError: a style has but one in every prompt.
    """
    for style, found in examples.items():
        if all(len({token for mention in row for token in mention.tokens}) == len(row) == 1 for row in found.mentions):
            raise TrainingError(
                f"the style {style!r} is a single token, and a softmax over the style's own tokens (slice `span`) is 1 "
                "everywhere then: the losses would teach nothing; train it with the paper's slice (--preset small or "
                "paper), or with --without attention"
            )


def _in_styles(rows: Sequence[RegionExample], styles: Sequence[str]) -> list[RegionExample]:
    """Pictures of other styles need not be encoded."""
    return [row for row in rows if not set(styles).isdisjoint(row.styles)]


def _validates(config: RegionTrainConfig) -> bool:
    """The release's manifest has no test split."""
    return config.validate_every > 0 and (config.data / "test" / MANIFEST_FILE).is_file()


def _train_style(config: RegionTrainConfig, run: RunFolder, material: Material, examples: RegionExamples) -> Path:
    [style], accelerator = config.styles, material.accelerator
    identity = f"{material.base.identity} {examples.identity()}"
    trainer = RegionTrainer(config, run, accelerator, material.base.transformer(), examples, identity)
    if accelerator.is_main_process:
        run.begin()
    validation = _validation(config, material)
    try:
        trainer.train(on_step=lambda step: _validate(trainer, validation, step))
    except KeyboardInterrupt:
        if trainer.whole:
            _write(trainer, style, material.base.name)
        raise
    _write(trainer, style, material.base.name)
    accelerator.free_memory()
    return config.expert_file(style)


def _validation(config: RegionTrainConfig, material: Material) -> Validation | None:
    """None without test examples of the style."""
    [style], tested = config.styles, material.tested
    if tested is None or style not in tested.styles:
        return None
    each_token = config.supervise == "every-map"
    return Validation(config, material.base, tested.of_style(style, material.base, each_token))


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
    save_expert(path, lora, lora_config(config.rank, base), None, None, _summary(trainer, style))
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
