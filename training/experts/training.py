"""`styleroute train experts`, from the triplets to the expert file."""

import hashlib
import json

from accelerate import Accelerator
from torch import Tensor

from ...moe import ExpertConfig, StyleEncoder, save_expert
from ...moe.expert import open_encoder
from ..bases import Base, load_base
from ..data.triplets import METADATA_FILE, Triplet, read_triplets
from ..progress import console
from ..run_folder import RunFolder
from ..style_encoder.vision import load_vision, require_layers
from .config import POOLED_CELLS, ExpertsTrainConfig
from .examples import Examples, encoded_styles, make_examples, pooled_latents
from .trainer import ExpertsTrainer
from .validation import Validation

FREE = ("minutes", "output", "cache", "save_every", "validate_every", "compile", "checkpointing")
"""What may change between two pieces of a run."""


def train_experts(config: ExpertsTrainConfig) -> None:
    """Train, write the expert file, and sheets of validation pictures on the way.

    Under `accelerate launch` (or torchrun) every process calls this; the first alone writes.

    Raises:
        DataError, TrainingError, StyleExpertError: something does not fit; nothing that was there is lost.
    """
    run = RunFolder(config.run, config, FREE)
    accelerator = Accelerator(mixed_precision=config.precision)
    encoder = None if config.encoder is None else open_encoder(config.encoder)
    config = _with_cond_dim(config, encoder)
    device = str(accelerator.device)
    base = load_base(config.base, device)
    # The first process fills the caches, the others then read them.
    with accelerator.main_process_first():
        examples = _examples(config, "train", base, encoder, device)
        tested = _examples(config, "test", base, encoder, device) if _validates(config) else None
    base.free_encoders()
    identity = _identity(config, examples, base, encoder)
    trainer = ExpertsTrainer(config, run, accelerator, base.transformer(), examples, identity)
    if accelerator.is_main_process:
        run.begin()
    validation = Validation(config, base, tested) if tested else None
    try:
        trainer.train(on_step=lambda step: _validate(trainer, validation, step))
    finally:
        _write(trainer, encoder, base)


def _validates(config: ExpertsTrainConfig) -> bool:
    return config.validate_every > 0 and (config.data / "test" / METADATA_FILE).is_file()


def _with_cond_dim(config: ExpertsTrainConfig, encoder: StyleEncoder | None) -> ExpertsTrainConfig:
    """The routers' input width follows from what they read.

    Raises:
        TrainingError: the encoder gives embeddings of another width than the experts were configured for.
    """
    if config.condition == "none":
        return config
    width = 16 * POOLED_CELLS**2 if config.condition == "pooled-latents" else encoder.config.cond_dim
    return config.with_cond_dim(width)


def _examples(
    config: ExpertsTrainConfig, split: str, base: Base, encoder: StyleEncoder | None, device: str
) -> Examples:
    cache = config.cache / split
    triplets = read_triplets(config.data, split)
    if split == "test":
        triplets = _a_few(triplets)
    examples = make_examples(triplets, base, cache)
    if config.condition == "pooled-latents":
        return examples.with_styles(pooled_latents(examples))
    if encoder is None:
        return examples
    vision = load_vision(config.vision, device)
    require_layers(vision, encoder.config.taps)
    return examples.with_styles(encoded_styles([row.reference for row in examples.triplets], encoder, vision, cache))


def _a_few(triplets: list[Triplet]) -> list[Triplet]:
    """Six triplets of different styles, unseen ones first."""
    first: dict[str, Triplet] = {}
    for row in sorted(triplets, key=lambda row: row.seen_style):
        first.setdefault(row.style, row)
    return list(first.values())[:6]


def _identity(config: ExpertsTrainConfig, examples: Examples, base: Base, encoder: StyleEncoder | None) -> str:
    """A digest of everything that the run learns from."""
    digest = hashlib.sha256(base.identity.encode())
    rows = [
        [path.name for path in (row.content, row.reference, row.stylised)] + [row.prompt] for row in examples.triplets
    ]
    digest.update(json.dumps(rows).encode())
    for weight in encoder.state_dict().values() if encoder else ():
        digest.update(weight.float().numpy().tobytes())
    return digest.hexdigest()


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


def _write(trainer: ExpertsTrainer, encoder: StyleEncoder | None, base: Base) -> None:
    if not trainer.accelerator.is_main_process or not trainer.step:
        return
    config, path = trainer.config, trainer.config.expert_file
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: parameter.detach().half() for name, parameter in trainer.trained.items()}
    summary = {"steps": trainer.step, "triplets": len(trainer.examples.triplets), "condition": config.condition}
    if trainer.losses:
        last = trainer.losses[-50:]
        summary["loss"] = sum(last) / len(last)
    if config.adapter.experts:
        state = {name: weight.half() for name, weight in encoder.state_dict().items()} if encoder else None
        save_expert(path, tensors, _expert_config(config, base), state, encoder.config if encoder else None, summary)
    else:
        save_expert(path, _plain_lora(tensors, config.adapter.scale), _lora_config(config, base), None, None, summary)
    console.print(f"Wrote {path}", soft_wrap=True)
    if trainer.step < config.steps:
        console.print(f"Stopped after {trainer.step} of {config.steps} steps; the same command goes on from there")


def _expert_config(config: ExpertsTrainConfig, base: Base) -> ExpertConfig:
    adapter = config.adapter
    return ExpertConfig(
        kind="style-moe", num_experts=adapter.experts, rank=adapter.rank, shared_rank=adapter.shared_rank,
        top_k=adapter.top_k, alpha=adapter.alpha, cond_dim=adapter.cond_dim, routing=adapter.routing, base=base.name,
    )  # fmt: skip


def _lora_config(config: ExpertsTrainConfig, base: Base) -> ExpertConfig:
    rank = config.adapter.shared_rank
    return ExpertConfig(
        kind="region-lora", num_experts=1, rank=rank, shared_rank=0, top_k=1, alpha=rank, cond_dim=0, base=base.name
    )


def _plain_lora(tensors: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The shared expert under diffusers' names, the scale within B: a file that every LoRA loader reads."""
    lora: dict[str, Tensor] = {}
    for name, weight in tensors.items():
        layer, part = name.split(".lora_layer.shared_")
        lora[f"transformer.{layer}.lora_{part}.weight"] = (weight[0] * (scale if part == "B" else 1)).contiguous()
    return lora
