"""A cost model of one sampling step: operations and moved bytes of each kernel, with and without styles.

A kernel takes the longest of three times: its operations at the device's rate, its bytes at the memory's bandwidth,
and the launch of a kernel. Weights that do not fit into the memory cross the bus at every step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["matmul", "attention", "memory"]
MLP = 4
"""Width of the feed-forward layers, relative to the hidden size."""
DOUBLE_PASSES, SINGLE_PASSES = 36, 33
"""Reads and writes of all tokens by a block's norms, modulations, rotations, activations and residuals, counted in
units of [tokens, hidden]; a double block has them in each of its two streams."""
PASS_KERNELS = 14
"""Kernels of a block's stream that do these reads and writes."""
PATCH_PASSES, STOCK_PASSES = 4, 8
"""Reads and writes of a weight in float32 while a style is merged into it: by this pack (cast, product and sum in one
call, cast back), and by the stock LoRA (product, scale and sum are calls of their own)."""
OBJECT_SHARE = 0.25
"""Assumed share of the image that one named object covers."""


@dataclass(frozen=True)
class Kernel:
    """One kernel, or a number of equal ones.

    Attributes:
        kind: which rate of the device limits its operations.
        operations: floating-point operations; a multiplication and an addition are two.
        moved: bytes read and written.
        count: number of equal kernels.
    """

    kind: Kind
    operations: float
    moved: float
    count: int = 1


@dataclass(frozen=True)
class StepSizes:
    """What a step's cost depends on.

    Attributes:
        hidden: width of a token.
        double: number of double blocks.
        single: number of single blocks.
        image: tokens of the image.
        reference: tokens of the reference images.
        text: text tokens.
        rank: R, rank of a collapsed style.
        weight_bytes: bytes of a stored weight.
        activation_bytes: bytes of an activation.
    """

    hidden: int
    double: int
    single: int
    image: int
    reference: int
    text: int
    rank: int = 24
    weight_bytes: int = 2
    activation_bytes: int = 2

    @property
    def tokens(self) -> int:
        """Tokens of a single block."""
        return self.image + self.reference + self.text


@dataclass(frozen=True)
class Layer:
    """A kind of linear layer of ComfyUI's Flux.

    Attributes:
        tokens: tokens that it gets: all, those of the image and its references, the text, or one vector.
        inp: width of its input, in hidden sizes.
        outs: widths of its outputs in hidden sizes; a fused layer has one pair of a style for each.
        double: whether double blocks have it.
        styled: whether styles change it.
    """

    tokens: Literal["all", "image", "text", "one"]
    inp: int
    outs: tuple[int, ...]
    double: bool
    styled: bool = True


_STREAM = ((1, (1, 1, 1)), (1, (1,)), (1, (MLP,)), (MLP, (1,)))
LAYERS = (
    *(Layer("image", inp, outs, True) for inp, outs in _STREAM),
    *(Layer("text", inp, outs, True) for inp, outs in _STREAM),
    *(Layer("one", 1, (6,), True, styled=False) for _ in range(2)),
    Layer("all", 1, (1, 1, 1, MLP), False),
    Layer("all", 1 + MLP, (1,), False),
    Layer("one", 1, (3,), False, styled=False),
)
"""The linear layers of a double block and of a single block, the modulations with their one token included."""


def bare_step(sizes: StepSizes) -> Iterator[Kernel]:
    """The kernels of a step without styles."""
    h, act, n = sizes.hidden, sizes.activation_bytes, sizes.tokens
    for layer in LAYERS:
        tokens, out, count = _tokens(sizes, layer), sum(layer.outs), _blocks(sizes, layer)
        weights = layer.inp * out * h * h
        if sizes.weight_bytes < act:  # cast for this product only
            yield Kernel("memory", 0, weights * (sizes.weight_bytes + act), count)
        yield Kernel("matmul", 2 * tokens * weights, (weights + tokens * (layer.inp + out) * h) * act, count)
    blocks = sizes.double + sizes.single
    yield Kernel("attention", 4 * n * n * h, 4 * n * h * act, blocks)
    for passes, streams, count in ((DOUBLE_PASSES, 2, sizes.double), (SINGLE_PASSES, 1, sizes.single)):
        kernels = PASS_KERNELS * streams
        yield Kernel("memory", 0, passes * n * h * act / kernels, count * kernels)


def branch(sizes: StepSizes, share: float = 1.0) -> Iterator[Kernel]:
    """The kernels that one style at run time adds.

    Args:
        sizes: sizes of the step.
        share: share of the image and reference tokens with the style. Below 1 it does not act on the text, and its
            tokens are gathered and added back.
    """
    h, act, rank = sizes.hidden, sizes.activation_bytes, sizes.rank
    for layer in LAYERS:
        tokens = _tokens(sizes, layer)
        if share < 1:
            tokens = share * (tokens - sizes.text * (layer.tokens in ("all", "text")))
        if not layer.styled or not tokens:
            continue
        count, inner, inp = _blocks(sizes, layer), rank * len(layer.outs), layer.inp * h
        if share < 1:
            yield Kernel("memory", 0, 2 * tokens * inp * act, count)
        yield Kernel("matmul", 2 * tokens * inp * inner, (tokens * (inp + inner) + inp * inner) * act, count)
        for width in (out * h for out in layer.outs):
            written = (2 if share == 1 else 1) * tokens * width
            yield Kernel("matmul", 2 * tokens * rank * width, (tokens * rank + rank * width + written) * act, count)
            if share < 1:
                yield Kernel("memory", 0, 3 * tokens * width * act, count)


def maps(sizes: StepSizes, phrases: int = 2, tokens_each: int = 3, share_of_blocks: float = 1.0) -> Iterator[Kernel]:
    """The kernels that the maps of phrases add: products of the image's queries with a few keys, per block."""
    columns, h = phrases * tokens_each, sizes.hidden
    count = round((sizes.double + sizes.single) * share_of_blocks)
    moved = (sizes.image + columns) * h * sizes.activation_bytes + 8 * sizes.image * columns * h / 128
    yield Kernel("matmul", 2 * sizes.image * columns * h, moved, count)


def two_masks(sizes: StepSizes) -> Iterator[Kernel]:
    """Two styles, each in one half of the image."""
    for _ in range(2):
        yield from branch(sizes, 0.5)


def two_objects(sizes: StepSizes) -> Iterator[Kernel]:
    """Two styles on two named objects, whose maps come from half of the blocks."""
    for _ in range(2):
        yield from branch(sizes, OBJECT_SHARE)
    yield from maps(sizes, share_of_blocks=0.5)


ADDED: dict[str, Callable[[StepSizes], Iterator[Kernel]]] = {
    "branch": branch,
    "two masks": two_masks,
    "two objects": two_objects,
    "captured maps": maps,
}
"""What each method adds to a step, by the name of its side in the benchmark."""


def patch_pass(sizes: StepSizes, passes_of_float32: int) -> Iterator[Kernel]:
    """The kernels that merge a style into all weights.

    Args:
        sizes: sizes of the model.
        passes_of_float32: reads and writes of the weights in float32, `PATCH_PASSES` or `STOCK_PASSES`.
    """
    h = sizes.hidden
    for layer in LAYERS:
        if layer.styled:
            weights = layer.inp * sum(layer.outs) * h * h
            moved = weights * (4 * passes_of_float32 + 4 * sizes.weight_bytes)
            yield Kernel("matmul", 2 * weights * sizes.rank, moved, _blocks(sizes, layer))


def weights_of(sizes: StepSizes) -> float:
    """Number of weights of all linear layers in the blocks."""
    return sum(layer.inp * sum(layer.outs) * _blocks(sizes, layer) for layer in LAYERS) * sizes.hidden**2


def style_weights(sizes: StepSizes) -> float:
    """Number of weights of one collapsed style."""
    return sum(
        sizes.rank * (layer.inp * len(layer.outs) + sum(layer.outs)) * sizes.hidden * _blocks(sizes, layer)
        for layer in LAYERS
        if layer.styled
    )


def operations(kernels: Sequence[Kernel]) -> float:
    """All floating-point operations."""
    return sum(kernel.operations * kernel.count for kernel in kernels)


def moved_bytes(kernels: Sequence[Kernel]) -> float:
    """All bytes that are read and written."""
    return sum(kernel.moved * kernel.count for kernel in kernels)


def _tokens(sizes: StepSizes, layer: Layer) -> int:
    image = sizes.image + sizes.reference
    return {"all": sizes.tokens, "image": image, "text": sizes.text, "one": 1}[layer.tokens]


def _blocks(sizes: StepSizes, layer: Layer) -> int:
    return sizes.double if layer.double else sizes.single
