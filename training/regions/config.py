"""How region experts are trained. The defaults are RegionRoute's paper; its release's choices are a preset."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...attention import PRESETS as LOSSES
from ...attention import AttentionLosses
from ...attention.phrases import style_stem
from ...attention.selection import NONE
from ...errors import TrainingError
from ...paths import CACHE, RUNS
from ..adapters.config import require_numbers

LEAST_1 = ("rank", "batch", "accumulation", "steps", "save_every", "text_tokens")
LEAST_0 = ("warmup", "seed", "validate_every", "reference_index")


@dataclass(frozen=True)
class RegionTrainConfig:
    """Everything that shapes region experts, one LoRA a style, and where their parts lie.

    Attributes:
        data: folder that `styleroute data regions` writes, or a manifest (.json) of RegionRoute's release.
        root: what the paths in the manifest are relative to; by default the manifest's own folder.
        styles: styles to train, one expert each, in turn; by default all that the manifest names.
        base: hub name or folder of a FLUX.1 Kontext in diffusers' layout, or "tiny".
        rank: of the LoRA; its alpha is the same.
        adapted: kinds of blocks that the LoRA changes (the paper's ablation).
        losses: Focus and Cover: softmax slice, direction of the divergence, tau, alpha, weights.
        without: what of them is left out, for ablations.
        blocks: blocks whose attention is supervised, as `attention.selection` reads them: "all", "middle",
            "single 2-4", or a list. The paper does not name its set.
        supervise: "mean-map" of the blocks and of the style's tokens (paper), or "every-map" of a block and token for
            itself, the losses averaged (release).
        changed_weight: weight, in the flow matching loss, of the latent cells that the style changes; 1 is the paper's.
        early_share: how many of the noise levels are drawn from the sampler's first half, where it is decided what
            changes; 0 is the paper's.
        reference_index: first position of the context image: 1 as Kontext has it (paper), or 0, the target's own.
        rate: AdamW's learning rate.
        schedule: "constant", or "cosine" down to a twentieth.
        warmup: steps until the full rate.
        batch: examples of one device in one step.
        accumulation: batches whose gradients are added up before a step.
        steps: length of the training of each style.
        guidance: guidance scale that the model is told.
        text_tokens: length of a prompt for T5; the small Kontext has its own.
        precision: "bf16" or "no" (float32).
        optimizer: "adamw", "adamw-8bit" (bitsandbytes, on a GPU), or "auto": 8 bit where it can be had.
        checkpointing: recompute activations in the backward pass, for less memory.
        seed: of first weights and all batches.
        run: folder of the runs, one for each style, with configuration, checkpoint, curves and images.
        output: folder of the finished LoRAs; by default the runs'.
        half: write the LoRAs in float16; the published ones are float32.
        cache: folder of latents, masks and texts, which are made once.
        minutes: how long this piece may run, all styles together; the next one goes on where it stopped.
        save_every: steps between two checkpoints.
        validate_every: steps between two sheets of validation images; 0 for none.

    Raises:
        TrainingError: a value is impossible.
    """

    # Spans differ from batch to batch, so that the graph would be broken at every map: nothing is gained.
    compile: ClassVar[bool] = False

    data: Path = Path("data") / "regions"
    root: Path | None = None
    styles: tuple[str, ...] = ()
    base: str = "black-forest-labs/FLUX.1-Kontext-dev"
    rank: int = 4
    adapted: Literal["both", "double", "single"] = "both"
    losses: AttentionLosses = LOSSES["paper"]
    without: Literal["nothing", "attention", "focus", "cover"] = "nothing"
    blocks: str = "all"
    supervise: Literal["mean-map", "every-map"] = "mean-map"
    changed_weight: float = 1.0
    early_share: float = 0.0
    reference_index: int = 1
    rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0
    batch: int = 2
    accumulation: int = 4
    steps: int = 5_000
    guidance: float = 3.5
    text_tokens: int = 77
    precision: Literal["bf16", "no"] = "bf16"
    optimizer: Literal["auto", "adamw", "adamw-8bit"] = "auto"
    checkpointing: bool = True
    seed: int = 0
    run: Path = RUNS / "regions"
    output: Path | None = None
    half: bool = False
    cache: Path = CACHE / "regions"
    minutes: float = math.inf
    save_every: int = 250
    validate_every: int = 500

    def __post_init__(self) -> None:
        require_numbers(self, LEAST_1, LEAST_0, ("rate", "minutes", "changed_weight"))
        for name in ("focus_weight", "cover_weight"):
            if not 0 <= getattr(self.losses, name) < math.inf:
                raise TrainingError(
                    f"{name} is {getattr(self.losses, name)}, expected 0 or more: give another one, or leave the loss "
                    "out with --without"
                )
        if not 0 <= self.early_share <= 1:
            raise TrainingError(f"early_share is {self.early_share}, expected a share of the noise levels: give 0 to 1")
        if self.supervised and self.losses.slice == "span" and self.supervise == "mean-map":
            raise TrainingError(
                "the softmax runs over the span's own tokens (slice `span`), whose mean is the same everywhere: the "
                "losses would teach nothing; give --supervise every-map with it, as the release has it"
            )
        if self.blocks.strip().lower() in ("", NONE):
            raise TrainingError("no blocks are chosen, expected some: give `middle`, `all` or `double 0-2, single 5`")

    @property
    def focus_weight(self) -> float:
        """Factor of the Focus loss, 0 where it is left out."""
        return 0.0 if self.without in ("attention", "focus") else self.losses.focus_weight

    @property
    def cover_weight(self) -> float:
        """Factor of the Cover loss, 0 where it is left out."""
        return 0.0 if self.without in ("attention", "cover") else self.losses.cover_weight

    @property
    def supervised(self) -> bool:
        """Whether any loss looks at the attention."""
        return self.focus_weight + self.cover_weight > 0

    def of_style(self, style: str) -> "RegionTrainConfig":
        """The same for one style, in a folder of its own."""
        return replace(self, styles=(style,), run=self.run / style_stem(style))

    def expert_file(self, style: str) -> Path:
        """Where a style's LoRA is written; its stem is the style's name."""
        return (self.output or self.run) / f"{style_stem(style)}.safetensors"


RELEASE: dict[str, Any] = {
    "losses": LOSSES["release"],
    "blocks": "all",
    "supervise": "every-map",
    "reference_index": 0,
}
"""What the release does otherwise than the paper, apart from rate, steps and guidance."""

SMALL: dict[str, Any] = {
    "base": "tiny",
    "rank": 16,
    "blocks": "single 2-4",
    "rate": 5e-4,
    "schedule": "cosine",
    "warmup": 20,
    "batch": 8,
    "accumulation": 1,
    "steps": 1_000,
    "changed_weight": 5.0,
    "early_share": 0.5,
    "checkpointing": False,
    "half": True,
    "save_every": 100,
    "validate_every": 200,
}
"""What fits the small Kontext on two cores. Its blocks are those where the base binds words to places: asked to make an
object black and white, at a noise level of 0.9, 69 % of these words' attention lies on the object in single 4 and 60 %
in single 2, at most 14 % in any other; the mean map of all blocks would be one of blocks that bind nothing."""

SMALL_LOSSES = replace(LOSSES["paper"], tau=1.5)
"""A softmax at tau 0.5 rests on the few strongest cells of a map that is not in place yet, and moves those alone."""

PRESETS: dict[str, RegionTrainConfig] = {
    "paper": RegionTrainConfig(),
    "release": RegionTrainConfig(**RELEASE, rate=1e-5, steps=10_000, guidance=1.0, run=RUNS / "regions_release"),
    "small": RegionTrainConfig(**SMALL, losses=SMALL_LOSSES, run=RUNS / "regions_small"),
    "small-release": RegionTrainConfig(**(SMALL | RELEASE), run=RUNS / "regions_small_release"),
}
"""The paper's values, the release's, and both for the small Kontext."""
