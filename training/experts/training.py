"""`styleroute train experts`, from the triplets to the expert file."""

from typing import Any

import torch

from ...dataset.triplets import METADATA_FILE, Triplet, read_triplets
from ...moe import ExpertConfig, save_expert
from ...moe.lora import lora_state
from ...progress import console
from ...storage.disk_space import require_writable
from ..adapters.config import free_fields
from ..adapters.running import base_dtype, one_fills_the_caches, start_accelerator
from ..bases import Base, load_base, short_digest
from ..run_folder import RunFolder
from .conditions import StyleCondition, load_condition
from .config import ExpertsTrainConfig
from .examples import Examples, make_examples
from .routed_linear import shared_pairs
from .start import all_steps, open_start
from .trainer import LOSSES, ExpertsTrainer
from .validation import Validation

IMAGES = 6
"""Rows of the validation sheet."""


def train_experts(config: ExpertsTrainConfig) -> None:
    """Train, write the expert file, and sheets of validation images on the way.

    Under `accelerate launch` every process calls this; the first alone writes.

    Raises:
        DataError, TrainingError, StyleExpertError: something does not fit; nothing that was there is lost.
    """
    run = RunFolder(config.run, config, free_fields(config))
    accelerator = start_accelerator(config.precision)
    if accelerator.is_main_process:
        require_writable(config.expert_file)
    device = str(accelerator.device)
    condition = load_condition(config, device)
    if condition is not None:
        config = config.with_cond_dim(condition.width)
    base = load_base(config.base, device, base_dtype(config.precision))
    start = open_start(config, condition, base)
    with one_fills_the_caches(accelerator):
        examples = _examples(config, "train", base, condition)
        tested = _examples(config, "test", base, condition) if _validates(config) else None
    base.free_encoders()
    if condition is not None:
        condition.free()
    identity = f"{base.identity} {condition and condition.identity} {examples.identity(config.data)}"
    if start is not None:
        identity += f" {start.identity}"
    trainer = ExpertsTrainer(config, run, accelerator, base.transformer(), examples, identity, start=start)
    if accelerator.is_main_process:
        run.begin()
    validation = Validation(config, base, tested) if tested else None
    try:
        trainer.train(on_step=lambda step: _validate(trainer, validation, step))
    except KeyboardInterrupt:
        if trainer.whole:
            _write(trainer, condition, base)
        raise
    _write(trainer, condition, base)


def _validates(config: ExpertsTrainConfig) -> bool:
    return config.validate_every > 0 and (config.data / "test" / METADATA_FILE).is_file()


def _examples(config: ExpertsTrainConfig, split: str, base: Base, condition: StyleCondition | None) -> Examples:
    triplets = read_triplets(config.data, split)
    if split == "test":
        triplets = _a_few(triplets)
    return make_examples(triplets, base, condition, config.cache / split)


def _a_few(triplets: list[Triplet]) -> list[Triplet]:
    """Triplets of different styles for the validation sheet, unseen styles first."""
    first: dict[str, Triplet] = {}
    for row in sorted(triplets, key=lambda row: row.seen_style):
        first.setdefault(row.style, row)
    return list(first.values())[:IMAGES]


def _validate(trainer: ExpertsTrainer, validation: Validation | None, step: int) -> None:
    config, accelerator = trainer.config, trainer.accelerator
    if validation is None or (step % config.validate_every and step != config.steps):
        return
    if accelerator.is_main_process:
        with accelerator.autocast():
            latents = validation.paint(trainer.transformer, trainer.style, accelerator.device)
        pixels = validation.sheet(latents, trainer.run.path / "validation" / f"{step:06}.png")
        trainer.run.curves.add_image("validation", pixels, step, dataformats="HWC")
        validation.base.free_encoders()
    accelerator.wait_for_everyone()


def _write(trainer: ExpertsTrainer, condition: StyleCondition | None, base: Base) -> None:
    if not trainer.accelerator.is_main_process or not trainer.step:
        return
    trainer.require_finite_weights(torch.float16)
    config, path = trainer.config, trainer.config.expert_file
    tensors = {name: parameter.detach().half() for name, parameter in trainer.trained.items()}
    summary = _summary(trainer, condition, base)
    if condition is None:
        lora = lora_state(shared_pairs(trainer.routed), torch.float16)
        save_expert(path, lora, ExpertConfig.plain_lora(config.adapter.shared_rank, base.name), None, None, summary)
    else:
        encoder, sizes = condition.encoder, _expert_config(config, base)
        # The encoder as it is, unrounded: the routers were trained on just its embeddings, and it is small.
        state = encoder.state_dict() if encoder else None
        save_expert(path, tensors, sizes, state, encoder.config if encoder else None, summary)
    console.print(f"Wrote {path}", soft_wrap=True)
    if trainer.step < config.steps:
        console.print(f"Stopped after {trainer.step} of {config.steps} steps; the same command goes on from there")


def _summary(trainer: ExpertsTrainer, condition: StyleCondition | None, base: Base) -> dict[str, Any]:
    """What the expert file says of its training; `style_reference` is what whoever applies it must do likewise.

    Digests tell which weights and images it was: experts of another base, or trained on other data, do not compare.
    """
    config, last = trainer.config, trainer.losses[-LOSSES:]
    told = ("condition", "style_reference", "style_rows", "routing_dropout", "guidance", "rate", "batch", "seed")
    told += ("schedule", "warmup", "accumulation", "window", "whole_share")
    summary = {"steps": trainer.step, "triplets": len(trainer.examples.triplets), "loss": sum(last) / len(last)}
    summary |= {
        "base_digest": short_digest(base.identity),
        "data_digest": short_digest(trainer.examples.identity(config.data)),
    }
    if condition is not None:
        summary["condition_digest"] = short_digest(condition.identity)
    if trainer.start is not None:
        summary["start_digest"] = short_digest(trainer.start.identity)
        summary["steps_before"] = all_steps(trainer.start.expert.training or {})
    return summary | {name: getattr(config, name) for name in told}


def _expert_config(config: ExpertsTrainConfig, base: Base) -> ExpertConfig:
    adapter = config.adapter
    return ExpertConfig(
        kind="style-moe", num_experts=adapter.experts, rank=adapter.rank, shared_rank=adapter.shared_rank,
        top_k=adapter.top_k, alpha=adapter.alpha, cond_dim=adapter.cond_dim, routing=adapter.routing, base=base.name,
    )  # fmt: skip
