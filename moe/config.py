"""Configurations of an expert file and of a style encoder. Their constructors check all values."""

import sys
from dataclasses import dataclass

from ..errors import StyleExpertError
from ..plain_text import quoted

KINDS = ("style-moe", "lora")
ROUTINGS = ("paper", "release-1")
RELEASE_ALPHA = 16
"""Numerator of the release's scale. The release's files do not store it."""
RELEASE_TOP_K = 2
"""Number of experts per style in the release. The release's files do not store it."""
SIGLIP_FILE = "sigclip_vision_patch14_384.safetensors"
"""File name of SigLIP so400m patch14-384 in ComfyUI's packaging: 729 tokens of width 1152."""
TINY_SIGLIP = "the tiny SigLIP of the demo pack"
"""Name of the demo's vision model in expert files."""


@dataclass(frozen=True)
class ExpertConfig:
    """Sizes and arithmetic of an expert file; the symbols are those of `formats.py`.

    Attributes:
        kind: "style-moe", a routed mixture of experts, or "lora", one plain LoRA.
        num_experts: E, without the shared expert.
        rank: r of a routed expert (or of the plain LoRA); the largest one if the layers have different ranks.
        shared_rank: r_s of the shared expert, likewise; 0 without a shared expert.
        top_k: k, the number of experts that a style is routed to.
        alpha: numerator of the paper's scale alpha / r.
        cond_dim: width of the style embedding; 0 for a plain LoRA.
        routing: arithmetic that the weights were trained with, "paper" or "release-1".
        base: name of the base model that the experts adapt.

    Raises:
        StyleExpertError: a value is impossible.
    """

    kind: str
    num_experts: int
    rank: int
    shared_rank: int
    top_k: int
    alpha: float
    cond_dim: int
    routing: str = "paper"
    base: str = "flux-kontext"

    def __post_init__(self) -> None:
        _require_one_of("kind", self.kind, KINDS)
        _require_one_of("routing", self.routing, ROUTINGS)
        _require_int(self, "num_experts", least=1)
        _require_int(self, "rank", least=1)
        _require_int(self, "shared_rank", least=0)
        _require_int(self, "top_k", least=1)
        _require_int(self, "cond_dim", least=1 if self.kind == "style-moe" else 0)
        if self.top_k > self.num_experts:
            raise StyleExpertError(
                f"top_k is {self.top_k}, but the file has only {self.num_experts} experts. "
                f"Set top_k to {self.num_experts} or less."
            )
        if not _is_finite(self.alpha):
            raise StyleExpertError(f"alpha is {quoted(self.alpha)}, expected a finite number. Save the file again.")
        if not isinstance(self.base, str):
            raise StyleExpertError(f"base is {quoted(self.base)}, expected the name of a model. Save the file again.")

    @classmethod
    def plain_lora(cls, rank: int, base: str = "flux-kontext", alpha: float | None = None) -> "ExpertConfig":
        """The configuration of one plain LoRA; `alpha` defaults to the rank."""
        alpha = float(rank) if alpha is None else alpha
        return cls(kind="lora", num_experts=1, rank=rank, shared_rank=0, top_k=1, alpha=alpha, cond_dim=0, base=base)

    @property
    def is_lora(self) -> bool:
        """Whether the file is one plain LoRA, which has a single style and no routers."""
        return self.kind == "lora"

    @property
    def scale(self) -> float:
        """Factor of the summed experts in a layer of rank `rank`."""
        return self.scale_at(self.rank)

    def scale_at(self, rank: int) -> float:
        """Factor of the summed experts in a layer of this rank r: alpha / r, or the release's integer 16 // r."""
        if self.routing == "release-1":
            return float(RELEASE_ALPHA // rank)
        return self.alpha / rank


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a style encoder.

    Attributes:
        taps: layers of the vision model that the encoder reads, as negative indices, in the order of the output.
        num_queries: number of tokens after pooling, for each tap.
        num_tokens: T, the number of tokens of the vision model.
        hidden_size: D, the width of the vision model.
        proj_dim: width of each pooled token after the projection.
        cond_dim: width of the style embedding.
        vision_model: file name of the vision model in ComfyUI.
        projection_widths: inner widths of a deeper projection; () for a single linear layer.
        projection_activation: whether a SiLU follows each inner linear layer of a deeper projection.
        post_projection: whether a last linear layer follows the concatenation.
        release_projection: whether a deeper projection has the order of StyleExpert's own class, in place of
            `projection_activation`: no SiLU after the first linear layer, and one after every later layer.
        layer_norm: whether a layer norm precedes the projection.
        projection: whether there is a projection; without one, proj_dim is hidden_size.

    Raises:
        StyleExpertError: a value is impossible.
    """

    taps: tuple[int, ...] = (-2, -11, -20)
    num_queries: int = 8
    num_tokens: int = 729
    hidden_size: int = 1152
    proj_dim: int = 128
    cond_dim: int = 3072
    vision_model: str = SIGLIP_FILE
    projection_widths: tuple[int, ...] = ()
    projection_activation: bool = True
    post_projection: bool = False
    release_projection: bool = False
    layer_norm: bool = True
    projection: bool = True

    def __post_init__(self) -> None:
        for name in ("num_queries", "num_tokens", "hidden_size", "proj_dim", "cond_dim"):
            _require_int(self, name, least=1)
        self._require_taps()
        if not self.post_projection and self.concat_dim != self.cond_dim:
            raise StyleExpertError(
                f"The style encoder gives {len(self.taps)} x {self.num_queries} x {self.proj_dim} = {self.concat_dim} "
                f"numbers, but cond_dim is {self.cond_dim}. Make both equal, or add a post_projection."
            )

    @property
    def concat_dim(self) -> int:
        """Width of the pooled tokens of all taps after concatenation."""
        return len(self.taps) * self.num_queries * self.proj_dim

    def _require_taps(self) -> None:
        negative = all(type(tap) is int and tap < 0 for tap in self.taps)
        if not self.taps or not negative or len(set(self.taps)) != len(self.taps):
            raise StyleExpertError(
                f"The style encoder's taps are {quoted(list(self.taps))}, expected different negative indices of the "
                "vision model's layers, such as (-2, -11, -20)."
            )


def _require_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise StyleExpertError(
            f"{name} is {quoted(value)}, expected {' or '.join(known)}. A newer version of StyleRoute may read it."
        )


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < sys.float_info.max  # False for NaN; math.isfinite fails on integers beyond the float range


def _require_int(config: object, name: str, least: int) -> None:
    value = getattr(config, name)
    if type(value) is not int or value < least:
        raise StyleExpertError(
            f"{name} is {quoted(value)}, expected an integer of {least} or more. Save the file again."
        )
