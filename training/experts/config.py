"""How experts are trained. The defaults are StyleExpert's (Stage 2 of the paper)."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ...errors import TrainingError
from ...flux.velocity import STYLE_ROWS
from ...paths import CACHE, RUNS
from ..adapters.config import require_numbers
from .routed_linear import AdapterConfig

Condition = Literal["style-encoder", "pooled-latents", "none"]
"""What the routers read: the frozen style encoder's embedding, the style image's VAE latents, pooled (no Stage 1),
or nothing (one plain LoRA)."""

POOLED_CELLS = 4
"""Pooled latents are the means of 4 x 4 fields of the style image's latents."""

WIDE = 12
"""Times the paper's rank of the shared expert."""

LEAST_1 = ("batch", "accumulation", "steps", "save_every")
LEAST_0 = ("warmup", "seed", "validate_every", "style_rows")


@dataclass(frozen=True)
class ExpertsTrainConfig:
    """Everything that shapes the experts, and where its parts lie.

    Attributes:
        data: folder of triplets, as `styleroute data` writes it.
        base: hub name or folder of a FLUX.1 Kontext in diffusers' layout, or "tiny".
        encoder: file of the style encoder (Stage 1), or an expert file that holds one.
        vision: the SigLIP that the encoder reads: a name, a folder, or "tiny".
        start: expert file whose weights the training begins with, our own or a published one, of the same sizes; its
            encoder must be `encoder`. None: from nothing.
        condition: what the routers read.
        style_reference: whether the style image's latents also stand beside the content's, as a second reference.
        style_rows: rows, in tokens, that the second reference's position is moved down by: 64 as in StyleExpert's
            release, 0 as ComfyUI's stock reference method `index` places it.
        routing_dropout: share of the rows that are trained without their routed experts, so that the shared one learns
            to read the style image beside the content; routers alone know the styles of the training by heart.
        adapter: sizes of the adapter; its `cond_dim` is what the style encoder gives, whatever stands here.
        rate: AdamW's learning rate.
        schedule: "constant", or "cosine" down to a twentieth.
        warmup: steps until the full rate.
        batch: triplets of one device in one step.
        accumulation: batches whose gradients are added up before a step.
        steps: length of the training.
        guidance: guidance scale that the model is told.
        window: side in latent cells, an even number, of the random window that a batch sees; None for whole images.
        whole_share: share of the steps, the last ones, that see whole images in the place of windows, as many fewer
            at once: a palette is of the whole, and whole images are what is painted later.
        precision: "bf16" or "no" (float32).
        optimizer: "adamw", "adamw-8bit" (bitsandbytes, on a GPU), or "auto": 8 bit where it can be had.
        checkpointing: recompute activations in the backward pass, for less memory.
        compile: torch.compile of the transformer.
        seed: of first weights and all batches.
        run: folder of configuration, checkpoint, curves and images.
        output: the expert file; by default experts.safetensors in the run's folder.
        cache: folder of latents and embeddings, which are made once.
        minutes: how long this piece may run; the next one goes on where it stopped.
        save_every: steps between two checkpoints.
        validate_every: steps between two sheets of validation images; 0 for none.

    Raises:
        TrainingError: a value is impossible.
    """

    data: Path = Path("data") / "triplets"
    base: str = "black-forest-labs/FLUX.1-Kontext-dev"
    encoder: Path | None = RUNS / "style_encoder" / "style_encoder.safetensors"
    vision: str = "google/siglip-so400m-patch14-384"
    start: Path | None = None
    condition: Condition = "style-encoder"
    style_reference: bool = False
    style_rows: int = STYLE_ROWS
    routing_dropout: float = 0.0
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    batch: int = 1
    accumulation: int = 1
    steps: int = 10_000
    guidance: float = 3.5
    window: int | None = None
    whole_share: float = 0.0
    precision: Literal["bf16", "no"] = "bf16"
    optimizer: Literal["auto", "adamw", "adamw-8bit"] = "auto"
    checkpointing: bool = True
    compile: bool = False
    seed: int = 0
    run: Path = RUNS / "experts"
    output: Path | None = None
    cache: Path = CACHE / "experts"
    minutes: float = math.inf
    save_every: int = 250
    validate_every: int = 1000

    def __post_init__(self) -> None:
        self._require_numbers()
        self._require_condition()
        if self.expert_file.suffix != ".safetensors":
            raise TrainingError(f"output is {self.output}, expected a file name that ends in .safetensors: rename it")

    def with_cond_dim(self, width: int) -> "ExpertsTrainConfig":
        """The same for style embeddings of this width."""
        return replace(self, adapter=replace(self.adapter, cond_dim=width))

    @property
    def steps_shape_the_run(self) -> bool:
        """Whether another number of steps would be another run: whole images come in its last share."""
        return self.window is not None and self.whole_share > 0

    @property
    def expert_file(self) -> Path:
        """Where the trained experts are written."""
        return self.run / "experts.safetensors" if self.output is None else self.output

    def _require_numbers(self) -> None:
        require_numbers(self, LEAST_1, LEAST_0, ("rate", "minutes"))
        if self.window is not None and (self.window < 2 or self.window % 2):
            raise TrainingError(f"window is {self.window}, expected an even number of latent cells: give another one")
        if not 0 <= self.whole_share <= 1:
            raise TrainingError(f"whole_share is {self.whole_share}, expected a share of the steps: give 0 to 1")

    def _require_condition(self) -> None:
        if not 0 <= self.routing_dropout < 1:
            raise TrainingError(f"routing_dropout is {self.routing_dropout}, expected a share from 0 to less than 1")
        if self.routing_dropout and not (self.style_reference and self.adapter.experts):
            raise TrainingError(
                f"routing_dropout is {self.routing_dropout}, but without routed experts nothing can be left out, and "
                "without the style image beside the content such rows know no style: give --style-reference, or 0"
            )
        if (self.condition == "none") != (self.adapter.experts == 0):
            raise TrainingError(
                f"condition is {self.condition!r} with {self.adapter.experts} routed experts: "
                "one plain LoRA has condition `none` and no routed experts, a mixture has both"
            )
        if self.condition == "style-encoder" and self.encoder is None:
            raise TrainingError(
                "condition is 'style-encoder', but no encoder file is given: train one, or give --encoder"
            )


SMALL: dict[str, Any] = {
    "data": Path("data") / "paintings",
    "base": "tiny",
    "vision": "tiny",
    "rate": 2e-3,
    "schedule": "cosine",
    "warmup": 50,
    "batch": 24,
    "steps": 3000,
    "window": 16,
    "whole_share": 0.3,
    "style_rows": 0,
    "checkpointing": False,
    "compile": True,
    "validate_every": 500,
}
"""What fits the small Kontext on two cores: at first windows of a quarter of the image."""


def single_lora(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """One LoRA with as many parameters as all experts; it sees the style image as a second reference."""
    adapter = config.adapter
    rank = adapter.experts * adapter.rank + adapter.shared_rank
    # alpha / r as the experts have it: the rank makes no change of the learning rate in disguise.
    plain = replace(adapter, experts=0, shared_rank=rank, alpha=adapter.alpha / adapter.rank * rank, cond_dim=0)
    return replace(
        config, adapter=plain, condition="none", encoder=None, style_reference=True, run=_beside(config, "single_lora")
    )


def no_encoder(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routers that read the style image's pooled latents: no Stage 1."""
    return replace(config, condition="pooled-latents", encoder=None, run=_beside(config, "no_encoder"))


def release_1(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """The arithmetic of the published weights."""
    return replace(config, adapter=replace(config.adapter, routing="release-1"), run=_beside(config, "release_1"))


def style_reference(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routed experts that also see the style image, as a second reference."""
    return replace(config, style_reference=True, run=_beside(config, "style_reference"))


def wide(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """A wide shared expert that learns to read the style image, half of the time alone, and routed experts beside it.

    Routers know the styles of the training by heart; what they send a new style to, alone, is known ones.
    """
    shown = style_reference(config)
    adapter = replace(shown.adapter, shared_rank=WIDE * shown.adapter.shared_rank)
    return replace(shown, adapter=adapter, routing_dropout=0.5, run=_beside(config, "wide"))


def _beside(config: ExpertsTrainConfig, suffix: str) -> Path:
    return config.run.with_name(f"{config.run.name}_{suffix}")


def _presets() -> dict[str, ExpertsTrainConfig]:
    paper = ExpertsTrainConfig()
    small = ExpertsTrainConfig(**SMALL, run=RUNS / "experts_small")
    variants = {
        "": lambda config: config,
        "single-lora": single_lora,
        "no-encoder": no_encoder,
        "style-reference": style_reference,
        "wide": wide,
        "release-1": release_1,
    }
    presets = {name or "paper": make(paper) for name, make in variants.items()}
    return presets | {f"small-{name}" if name else "small": make(small) for name, make in variants.items()}


PRESETS: dict[str, ExpertsTrainConfig] = _presets()
"""`paper` and `small`, and each as `single-lora`, `no-encoder`, `style-reference`, `wide` and `release-1`."""
