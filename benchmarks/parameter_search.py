"""Which layers of FLUX.1 Kontext come nearest to StyleExpert's 818.71 M trainable parameters.

The paper names no layers. Every choice of kinds of layers is counted: with E experts of rank r, a shared expert and a
gate for each layer, a layer has (E r + r_s) (in + out) + E cond_dim parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from ..training.experts.routed_linear import AdapterConfig
from .cost import EXPERTS, PAPER

HIDDEN, MLP, TEXT, POOLED, PATCH, SINUSOID = 3072, 4 * 3072, 4096, 768, 64, 256
"""Widths of FLUX.1 Kontext: blocks, feed-forward, T5, CLIP, a latent patch, and the code of a noise level."""
DOUBLE, SINGLE = 19, 38
"""Numbers of double and single blocks."""


@dataclass(frozen=True)
class LayerKind:
    """Layers that an author would adapt together.

    Attributes:
        name: short name in the table; "double" and "single" are the kinds of blocks.
        layers: number of layers in the whole model.
        width: sum of inputs and outputs over these layers.
    """

    name: str
    layers: int
    width: int


def _kind(name: str, blocks: int, *shapes: tuple[int, int]) -> LayerKind:
    return LayerKind(name, blocks * len(shapes), blocks * sum(map(sum, shapes)))


_SQUARE, _UP, _DOWN = (HIDDEN, HIDDEN), (HIDDEN, MLP), (MLP, HIDDEN)
KINDS = (
    _kind("double q k v", DOUBLE, *3 * [_SQUARE]),
    _kind("double out", DOUBLE, _SQUARE),
    _kind("double text q k v", DOUBLE, *3 * [_SQUARE]),
    _kind("double text out", DOUBLE, _SQUARE),
    _kind("double ff", DOUBLE, _UP, _DOWN),
    _kind("double text ff", DOUBLE, _UP, _DOWN),
    _kind("double norm", DOUBLE, (HIDDEN, 6 * HIDDEN)),
    _kind("double text norm", DOUBLE, (HIDDEN, 6 * HIDDEN)),
    _kind("single q k v", SINGLE, *3 * [_SQUARE]),
    _kind("single mlp", SINGLE, _UP),
    _kind("single out", SINGLE, (HIDDEN + MLP, HIDDEN)),
    _kind("single norm", SINGLE, (HIDDEN, 3 * HIDDEN)),
    _kind(
        "outside blocks", 1, (PATCH, HIDDEN), (TEXT, HIDDEN), (POOLED, HIDDEN), *2 * [(SINUSOID, HIDDEN)],
        *3 * [_SQUARE], (HIDDEN, 2 * HIDDEN), (HIDDEN, PATCH),
    ),
)  # fmt: skip
"""Every linear layer of the model, in kinds."""
USUAL = {
    "attention and feed-forward (this pack)": lambda kind: not kind.name.endswith(("norm", "blocks")),
    "every layer of the blocks": lambda kind: kind.name != "outside blocks",
    "every layer of the model": lambda kind: True,
}
"""The choices that an author would make first."""


@dataclass(frozen=True)
class LayerChoice:
    """A choice of layers and its parameters.

    Attributes:
        name: the chosen kinds, or a name for them.
        shared_rank: r_s, rank of the shared expert.
        parameters: of the experts with gates.
        single_lora: of one LoRA of rank E r + r_s on the same layers.
    """

    name: str
    shared_rank: int
    parameters: int
    single_lora: int


def usual_choices(adapter: AdapterConfig = EXPERTS) -> list[LayerChoice]:
    """The parameters of the choices in `USUAL`."""
    return [
        _choice(name, [kind for kind in KINDS if is_chosen(kind)], adapter.shared_rank, adapter)
        for name, is_chosen in USUAL.items()
    ]


def nearest_choices(
    count: int = 3, shared_ranks: Sequence[int] = (16, 32, 64, 128), adapter: AdapterConfig = EXPERTS
) -> list[LayerChoice]:
    """For each rank of the shared expert, the choices of kinds that come nearest to the paper's number, nearest first.

    Args:
        count: number of choices for each rank.
        shared_ranks: ranks of the shared expert.
        adapter: number and rank of the experts, and width of the style embedding.
    """
    target = (PAPER[-1].parameters or 0) * 1e6
    chosen = (np.arange(2 ** len(KINDS))[:, None] >> np.arange(len(KINDS))) & 1  # [choices, kinds]
    found = []
    for shared_rank in shared_ranks:
        sizes = np.array([_parameters(kind, shared_rank, adapter) for kind in KINDS])
        nearest = np.argsort(np.abs(chosen @ sizes - target), kind="stable")[:count]
        for number in nearest:
            kinds = [kind for kind, is_chosen in zip(KINDS, chosen[number], strict=True) if is_chosen]
            found.append(_choice(_named(kinds), kinds, shared_rank, adapter))
    return found


def choices_table(nearest: Sequence[LayerChoice]) -> Table:
    """The usual choices, and the nearest ones."""
    target = PAPER[-1].parameters or 0
    caption = (
        f"E = {EXPERTS.experts}, r = {EXPERTS.rank}, style embeddings of width {EXPERTS.cond_dim}. The paper has "
        f"{target} M, and {PAPER[1].parameters} M for its single LoRA. With a shared expert of rank "
        f"{EXPERTS.shared_rank}, even all layers of the model have fewer. {2 ** len(KINDS):,} choices are counted for "
        "each higher rank, so some come near by chance."
    )
    table = Table(title=f"Choices of layers near {target} M", caption=caption, caption_justify="left")
    table.add_column("layers", overflow="fold")
    for heading in ("shared rank", "experts (M)", "difference", "single LoRA (M)"):
        table.add_column(heading, justify="right")
    for choice in (*usual_choices(), *nearest):
        millions = choice.parameters / 1e6
        row = (f"{millions:.2f}", f"{millions - target:+.2f}", f"{choice.single_lora / 1e6:.2f}")
        table.add_row(choice.name, str(choice.shared_rank), *row)
    return table


def _named(kinds: Sequence[LayerKind]) -> str:
    """The chosen kinds, or "all but" the others if these are fewer."""
    others = [kind.name for kind in KINDS if kind not in kinds]
    if len(others) < len(kinds):
        return f"all but {', '.join(others)}" if others else "all"
    return ", ".join(kind.name for kind in kinds)


def _choice(name: str, kinds: Sequence[LayerKind], shared_rank: int, adapter: AdapterConfig) -> LayerChoice:
    parameters = sum(_parameters(kind, shared_rank, adapter) for kind in kinds)
    rank = adapter.experts * adapter.rank + shared_rank
    return LayerChoice(name, shared_rank, parameters, rank * sum(kind.width for kind in kinds))


def _parameters(kind: LayerKind, shared_rank: int, adapter: AdapterConfig) -> int:
    rank = adapter.experts * adapter.rank + shared_rank
    return rank * kind.width + kind.layers * adapter.experts * adapter.cond_dim
