"""Options of the training of region experts. The defaults are RegionRoute's paper; its release is a preset."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from ...attention import PRESETS as LOSSES
from ...attention import AttentionLosses
from ...attention.phrases import style_stem
from ...attention.selection import NONE
from ...errors import TrainingError
from ...paths import CACHE, RUNS
from ..adapters.config import Optimisation, RunOptions, require_numbers, with_options


@dataclass(frozen=True)
class RegionData:
    """The task, the dataset and the styles.

    Attributes:
        task: "style" trains an expert per style, which stylises the named object. "ground" trains one LoRA without a
            style, which makes the words of any object attend to that object; the image stays as it is.
        folder: folder that `styleroute data regions` or `styleroute data objects` writes, or a manifest (.json) of
            RegionRoute's release. The task "ground" reads all of them, the task "style" needs styles.
        root: folder that the paths in the manifest are relative to; by default the manifest's own folder.
        styles: styles to train, one expert per style; by default all styles of the manifest.
    """

    task: Literal["style", "ground"] = "style"
    folder: Annotated[Path, arg(name="data")] = Path("data") / "regions"
    root: Path | None = None
    styles: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegionModel:
    """The base model and the size of the LoRA.

    Attributes:
        base: hub name or folder of a FLUX.1 Kontext in diffusers' layout, or "tiny".
        text_tokens: length of a prompt in T5 tokens; the small Kontext has a fixed length.
        rank: rank of the LoRA; its alpha is the same number.
        adapted: kind of blocks that the LoRA changes (an ablation in the paper).

    Raises:
        TrainingError: a value is impossible.
    """

    base: str = "black-forest-labs/FLUX.1-Kontext-dev"
    text_tokens: int = 77
    rank: int = 4
    adapted: Literal["both", "double", "single"] = "both"

    def __post_init__(self) -> None:
        require_numbers(self, ("rank", "text_tokens"), (), ())


@dataclass(frozen=True)
class RegionObjective:
    """The flow-matching loss and the attention losses.

    Attributes:
        losses: Focus and Cover loss: softmax slice, direction of the divergence, tau, alpha, weights.
        without: losses that are left out, for ablations.
        blocks: blocks whose attention is supervised, in the grammar of `attention.selection`: "all", "middle",
            "single 2-4", or a list. The paper does not name its blocks.
        supervise: "mean-map" supervises the mean over blocks and style tokens (paper), "every-map" each block and token
            on its own, and averages the losses (release).
        changed_weight: weight of the latent pixels that the style changes in the flow-matching loss; 1 in the paper.
        early_share: share of the noise levels from the first half of sampling, which decides what changes; 0 in the
            paper.
        reference_index: first coordinate of the context image's position: 1 as in Kontext (paper), or 0, the same as
            the generated image's (release).
        guidance: guidance scale that the model gets.

    Raises:
        TrainingError: a value is impossible.
    """

    losses: AttentionLosses = LOSSES["paper"]
    without: Literal["nothing", "attention", "focus", "cover"] = "nothing"
    blocks: str = "all"
    supervise: Literal["mean-map", "every-map"] = "mean-map"
    changed_weight: float = 1.0
    early_share: float = 0.0
    reference_index: int = 1
    guidance: float = 3.5

    def __post_init__(self) -> None:
        require_numbers(self, (), ("reference_index",), ("changed_weight",))
        self._require_weights()
        if not 0 <= self.early_share <= 1:
            raise TrainingError(f"early_share is {self.early_share}, expected a share of the noise levels: give 0 to 1")
        if self.supervised and self.losses.slice == "span" and self.supervise == "mean-map":
            raise TrainingError(
                "losses.slice is `span`, where the mean over the span's tokens is constant, so the losses have no "
                "gradient. Use --supervise every-map, as in the release"
            )
        if self.blocks.strip().lower() in ("", NONE):
            raise TrainingError("no blocks are chosen, expected some: give `middle`, `all` or `double 0-2, single 5`")

    @property
    def focus_weight(self) -> float:
        """Factor of the Focus loss, 0 if it is left out."""
        return 0.0 if self.without in ("attention", "focus") else self.losses.focus_weight

    @property
    def cover_weight(self) -> float:
        """Factor of the Cover loss, 0 if it is left out."""
        return 0.0 if self.without in ("attention", "cover") else self.losses.cover_weight

    @property
    def supervised(self) -> bool:
        """Whether the training uses an attention loss."""
        return self.focus_weight + self.cover_weight > 0

    @property
    def ignores_mask(self) -> bool:
        """Whether the mask cancels out of the gradient, as in the release.

        At each cell a softmax over the style's own tokens sums to 1. KL(mask || map) and Cover pull every token by the
        same mask, and the softmax's gradient removes what all its inputs share.
        """
        focus_ignores = not self.focus_weight or self.losses.direction == "mask||map"
        return self.supervised and self.losses.slice == "span" and focus_ignores

    @property
    def each_token(self) -> bool:
        """Whether each style token has a map of its own."""
        return self.supervise == "every-map"

    def _require_weights(self) -> None:
        for name in ("focus_weight", "cover_weight"):
            if not 0 <= getattr(self.losses, name) < math.inf:
                raise TrainingError(
                    f"{name} is {getattr(self.losses, name)}, expected 0 or more: give another value, or leave the "
                    "loss out with --without"
                )


@dataclass(frozen=True)
class RegionRunOptions(RunOptions):
    """Folders, duration and intervals of the runs, one per style.

    Attributes:
        folder: folder of the runs, with a folder per style: configuration, checkpoint, curves and validation images.
        cache: folder of latents, masks and texts, which are computed once.
        output: folder of the finished LoRAs; by default the folder of the runs.
        minutes: time limit of this start, all styles together; the same command resumes the runs.
        save_every: steps between two checkpoints.
        validate_every: steps between two sheets of validation images; 0 for none.
        half: write the LoRAs in float16; the published LoRAs are float32.
    """

    half: bool = False


OPTIMISATION = Optimisation(batch=2, accumulation=4, steps=5_000)
RUN = RegionRunOptions(RUNS / "regions", CACHE / "regions")
"""Defaults of RegionRoute's paper, and of the folders."""


@dataclass(frozen=True)
class RegionTrainConfig:
    """Options of `styleroute train region`. On the command line the options of all parts have no prefix.

    Raises:
        TrainingError: a value is impossible.
    """

    data: Annotated[RegionData, arg(name="")] = RegionData()
    model: Annotated[RegionModel, arg(name="")] = RegionModel()
    objective: Annotated[RegionObjective, arg(name="")] = RegionObjective()
    optimisation: Annotated[Optimisation, arg(name="")] = OPTIMISATION
    run: Annotated[RegionRunOptions, arg(name="")] = RUN

    def __post_init__(self) -> None:
        if not self.grounds:
            return
        if self.data.styles:
            raise TrainingError(
                f"--styles names {self.data.styles[0]!r}, but the task `ground` trains no style: leave out --styles"
            )
        if not self.objective.supervised:
            raise TrainingError(
                "--without attention leaves out both attention losses, and the task `ground` learns from them alone: "
                "leave out --without"
            )

    @property
    def grounds(self) -> bool:
        """Whether the task is to ground the words of objects."""
        return self.data.task == "ground"

    def of_style(self, style: str) -> "RegionTrainConfig":
        """A copy for one style, whose run has a folder of its own. The grounding LoRA has the name of its task."""
        styles = () if self.grounds else (style,)
        return with_options(self, styles=styles, run=self.run.folder / style_stem(style))

    def expert_file(self, style: str) -> Path:
        """Path of a style's LoRA file; its stem is the style's name."""
        return (self.run.output or self.run.folder) / f"{style_stem(style)}.safetensors"


RELEASE: dict[str, Any] = {
    "losses": LOSSES["release"],
    "blocks": "all",
    "supervise": "every-map",
    "reference_index": 0,
}
"""Options of the release that differ from the paper, without rate, steps and guidance."""

ABLATIONS: dict[str, dict[str, Any]] = {
    "without-focus": {"without": "focus"},
    "without-cover": {"without": "cover"},
    "only-double": {"adapted": "double"},
    "only-single": {"adapted": "single"},
    "rank-8": {"rank": 8},
    "rank-16": {"rank": 16},
}
"""The ablations of RegionRoute's paper as presets: the one option of each that differs from the full method.

The paper calls `only-double` "w/o Single" and `only-single` "w/o Double": the LoRA changes the other kind of blocks."""

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
"""Options for the small Kontext on two CPU cores. Its blocks are those whose attention links text tokens to the object.

Measured with the instruction to make an object black and white, at noise level 0.9: 69 % of the attention of the
tokens "black and white" lies on the object in single 4, 60 % in single 2, and at most 14 % in any other block. The mean
map of all blocks would mostly average blocks without this link."""

SMALL_LOSSES = replace(LOSSES["paper"], tau=1.5)
"""At tau 0.5 the softmax of an early, misplaced map concentrates on its few strongest cells, and only these move."""


def _presets() -> dict[str, RegionTrainConfig]:
    paper = RegionTrainConfig()
    release = with_options(paper, **RELEASE, rate=1e-5, steps=10_000, guidance=1.0, run=RUNS / "regions_release")
    small = with_options(paper, **SMALL, losses=SMALL_LOSSES, run=RUNS / "regions_small")
    small_release = with_options(paper, **(SMALL | RELEASE), run=RUNS / "regions_small_release")
    presets = {"paper": paper, "release": release, "small": small, "small-release": small_release}
    ablations = {
        name: with_options(paper, **changes, run=RUNS / f"regions_{name.replace('-', '_')}")
        for name, changes in ABLATIONS.items()
    }
    return presets | ablations


PRESETS: dict[str, RegionTrainConfig] = _presets()
"""The paper's values, the release's, both for the small Kontext, and the paper's ablations."""
