"""Options of the training of experts. The defaults are StyleExpert's (Stage 2 of the paper)."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from ...errors import TrainingError
from ...flux.velocity import STYLE_ROWS
from ...paths import CACHE, RUNS
from ..adapters.config import Optimisation, RunOptions, require_numbers, with_options
from .routed_linear import AdapterConfig

Condition = Literal["style-encoder", "pooled-latents", "none"]
"""Input of the routers: the frozen style encoder's embedding, the style image's pooled VAE latents (no Stage 1), or
none (one plain LoRA)."""

POOLED_CELLS = 4
"""The style image's latents are averaged to 4 x 4 cells."""

WIDE = 12
"""Factor of the shared expert's rank in the preset `wide`, relative to the paper's."""


OPTIMISATION = Optimisation()
RUN = RunOptions(RUNS / "experts", CACHE / "experts", validate_every=1000)
"""Defaults of StyleExpert's paper, and of the folders."""


@dataclass(frozen=True)
class TripletData:
    """The triplets, and the part of each image that a batch shows.

    Attributes:
        folder: folder of triplets that `styleroute data` writes.
        window: side of the random crop of a batch in latent pixels, an even number; None for whole images.
        whole_share: share of the steps that use whole images instead of crops, spread over the training. Their batches
            are smaller, with about as many tokens. Colours belong to the whole image, and inference uses whole images.
        grid: side in tokens of the square of positions in which a crop may stand; None: where it is in its image. Then
            experts that are trained on small images also see the positions of larger ones.

    Raises:
        TrainingError: a value is impossible.
    """

    folder: Annotated[Path, arg(name="data")] = Path("data") / "triplets"
    window: int | None = None
    whole_share: float = 0.0
    grid: int | None = None

    def __post_init__(self) -> None:
        if self.window is not None and (self.window < 2 or self.window % 2):
            raise TrainingError(
                f"window is {self.window}, expected an even number of latent pixels: give another value"
            )
        if not 0 <= self.whole_share <= 1:
            raise TrainingError(f"whole_share is {self.whole_share}, expected a share of the steps: give 0 to 1")
        if self.grid is not None and (self.window is None or 2 * self.grid < self.window):
            least = "a --window" if self.window is None else f"{self.window // 2} or more"
            raise TrainingError(f"grid is {self.grid} tokens, expected {least}: a crop must fit into the grid")

    def is_whole(self, step: int) -> bool:
        """Whether this step uses whole images."""
        return self.window is None or int((step + 1) * self.whole_share) > int(step * self.whole_share)


@dataclass(frozen=True)
class ExpertModel:
    """The base model, the input of the routers, and the size of the adapter.

    Attributes:
        base: hub name or folder of a FLUX.1 Kontext in diffusers' layout, or "tiny".
        text_tokens: length of a prompt in T5 tokens; the small Kontext has a fixed length.
        texts: "cached" encodes all prompts once and keeps them on disk, 1 MB for a prompt of 128 tokens. "computed"
            encodes them at each step, and keeps the text encoders on the device.
        encoder: file of the style encoder (Stage 1), or an expert file that contains one.
        vision: SigLIP that the encoder reads: a hub name, a folder, or "tiny".
        start: expert file whose weights the training starts from, your own or a published one, of the same sizes and
            with the same style encoder. None: the experts start untrained.
        condition: input of the routers.
        compile: compile the transformer with torch.compile.
        adapter: sizes of the adapter; the style encoder sets its `cond_dim`.

    Raises:
        TrainingError: the values contradict each other.
    """

    base: str = "black-forest-labs/FLUX.1-Kontext-dev"
    encoder: Path | None = RUNS / "style_encoder" / "style_encoder.safetensors"
    vision: str = "google/siglip-so400m-patch14-384"
    start: Path | None = None
    condition: Condition = "style-encoder"
    compile: bool = False
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    text_tokens: int = 128
    texts: Literal["cached", "computed"] = "cached"

    def __post_init__(self) -> None:
        require_numbers(self, ("text_tokens",), (), ())
        if (self.condition == "none") != (self.adapter.experts == 0):
            raise TrainingError(
                f"condition is {self.condition!r} with {self.adapter.experts} routed experts. "
                "Give condition `none` and no routed experts for one plain LoRA, or both for a mixture"
            )
        if self.condition == "style-encoder" and self.encoder is None:
            raise TrainingError(
                "condition is 'style-encoder', but no encoder file is given: train an encoder, or give --encoder"
            )

    def with_cond_dim(self, width: int) -> "ExpertModel":
        """A copy for style embeddings of this width."""
        return replace(self, adapter=replace(self.adapter, cond_dim=width))


@dataclass(frozen=True)
class ExpertObjective:
    """Inputs of the model beside the content image, for the flow-matching loss.

    Attributes:
        style_reference: whether the model also gets the style image's latents, as a second reference.
        style_rows: offset of the second reference's position in rows of tokens: 64 in StyleExpert's release, 0 in
            ComfyUI's stock reference method `index`.
        routing_dropout: share of the examples that are trained without their routed experts, so that the shared expert
            learns to read the style image. Routers alone memorise the styles of the training.
        reference_dropout: share of the batches without the style reference, so that routers and experts alone learn to
            make the style.
        detail_share: share of the examples whose noise level is uniform in 0..1. The others have the sampler's levels,
            of which few are low; strokes are made at low levels.
        balance_weight: weight of the load-balancing loss of the routers.
        guidance: guidance scale that the model gets.

    Raises:
        TrainingError: a value is impossible.
    """

    style_reference: bool = False
    style_rows: int = STYLE_ROWS
    routing_dropout: float = 0.0
    reference_dropout: float = 0.0
    detail_share: float = 0.0
    balance_weight: float = 0.0
    guidance: float = 3.5

    def __post_init__(self) -> None:
        require_numbers(self, (), ("style_rows", "balance_weight"), ())
        for name in ("routing_dropout", "reference_dropout", "detail_share"):
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(
                    f"{name} is {getattr(self, name)}, expected a share from 0 to less than 1: give another value"
                )


@dataclass(frozen=True)
class ExpertsTrainConfig:
    """Options of `styleroute train experts`. On the command line the options of all parts have no prefix.

    Raises:
        TrainingError: a value is impossible.
    """

    data: Annotated[TripletData, arg(name="")] = TripletData()
    model: Annotated[ExpertModel, arg(name="")] = ExpertModel()
    objective: Annotated[ExpertObjective, arg(name="")] = ExpertObjective()
    optimisation: Annotated[Optimisation, arg(name="")] = OPTIMISATION
    run: Annotated[RunOptions, arg(name="")] = RUN

    def __post_init__(self) -> None:
        dropout = self.objective.routing_dropout
        if dropout and not (self.objective.style_reference and self.model.adapter.experts):
            raise TrainingError(
                f"routing_dropout is {dropout}, but this needs routed experts and the style image as a reference. "
                "Give --style-reference, or --routing-dropout 0"
            )
        if self.objective.reference_dropout and not self.objective.style_reference:
            raise TrainingError(
                f"reference_dropout is {self.objective.reference_dropout}, but the model gets no style reference. Give "
                "--style-reference, or --reference-dropout 0"
            )
        if self.objective.balance_weight and not self.model.adapter.experts:
            raise TrainingError(
                f"balance_weight is {self.objective.balance_weight}, but one plain LoRA has no routers: give 0"
            )
        if self.expert_file.suffix != ".safetensors":
            raise TrainingError(
                f"output is {self.run.output}, expected a file name that ends in .safetensors: rename it"
            )

    @property
    def expert_file(self) -> Path:
        """Path of the trained expert file."""
        return self.run.folder / "experts.safetensors" if self.run.output is None else self.run.output


SMALL: dict[str, Any] = {
    "data": Path("data") / "paintings",
    "base": "tiny",
    "vision": "tiny",
    "rate": 2e-3,
    "schedule": "cosine",
    "warmup": 50,
    "batch": 6,
    "steps": 3000,
    "window": 32,
    "whole_share": 1 / 3,
    "grid": 48,
    "style_rows": 0,
    "checkpointing": False,
    "validate_every": 500,
}
"""Options for the small Kontext on two CPU cores: most steps use crops of 16 x 16 tokens."""


def single_lora(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """One plain LoRA with as many parameters as all experts together; the style image is its second reference."""
    adapter = config.model.adapter
    rank = adapter.experts * adapter.rank + adapter.shared_rank
    # The same alpha / r as the experts: a larger rank must not change the effective learning rate.
    plain = replace(adapter, experts=0, shared_rank=rank, alpha=adapter.alpha / adapter.rank * rank, cond_dim=0)
    return _variant(config, "single_lora", adapter=plain, condition="none", encoder=None, style_reference=True)


def no_encoder(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routers that read the style image's pooled latents: no Stage 1."""
    return _variant(config, "no_encoder", condition="pooled-latents", encoder=None)


def release_1(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routed experts with the arithmetic of the published weights."""
    return _variant(config, "release_1", adapter=replace(config.model.adapter, routing="release-1"))


def style_reference(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routed experts with the style image as a second reference."""
    return _variant(config, "style_reference", style_reference=True)


def wide(config: ExpertsTrainConfig) -> ExpertsTrainConfig:
    """Routed experts beside a wide shared expert, which learns to read the style image alone in half of the examples.

    Routers memorise the styles of the training: with routed experts alone, an unseen style resembles a known one.
    """
    adapter = config.model.adapter
    adapter = replace(adapter, shared_rank=WIDE * adapter.shared_rank)
    return _variant(config, "wide", adapter=adapter, style_reference=True, routing_dropout=0.5)


def _variant(config: ExpertsTrainConfig, suffix: str, **values: Any) -> ExpertsTrainConfig:
    """A copy with other values, whose run's folder lies beside the given one."""
    folder = config.run.folder
    return with_options(config, run=folder.with_name(f"{folder.name}_{suffix}"), **values)


def _presets() -> dict[str, ExpertsTrainConfig]:
    paper = ExpertsTrainConfig()
    small = with_options(paper, **SMALL, run=RUNS / "experts_small")
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
