"""The cost model of the full FLUX.1 Kontext on graphics cards with 12, 24 and 80 GB of memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.table import Table

from .cost_model import (
    ADDED,
    PATCH_PASSES,
    STOCK_PASSES,
    StepSizes,
    bare_step,
    moved_bytes,
    operations,
    patch_pass,
    style_weights,
    weights_of,
)
from .devices import ATTENTION_SHARE, BANDWIDTH_SHARE, CARDS, LAUNCH_SECONDS, MATMUL_SHARE, USABLE_MEMORY, Device

KONTEXT = StepSizes(hidden=3072, double=19, single=38, image=4096, reference=4096, text=128)
"""FLUX.1 Kontext at 1024 x 1024 with one content image and StyleExpert's number of text tokens."""
FORMS = {"bf16": 2, "fp8": 1}
"""Bytes of a stored weight."""
ACTIVATION_WIDTHS = 24
"""Assumed widths of the activations that are alive at once, in units of [tokens, hidden]: a single block's input,
its fused output of 7 widths, their parts, the attention's output, and room of the allocator."""


@dataclass(frozen=True)
class CardCost:
    """What the full model costs on one card.

    Attributes:
        card: the device.
        form: form of the stored weights.
        resident: share of the weights that stay on the card.
        bus_bytes: bytes that cross the bus at every step.
        seconds: a step without styles.
        ratios: a step with each method, relative to the bare step; "patch" merges again what crosses the bus.
        stock_change: seconds to merge a LoRA with the stock loader, without reading its file.
        changes: the same for a style, relative to the stock LoRA: "patch", and "branch", which only moves the pairs.
    """

    card: Device
    form: str
    resident: float
    bus_bytes: float
    seconds: float
    ratios: dict[str, float]
    stock_change: float
    changes: dict[str, float]


def card_costs(sizes: StepSizes = KONTEXT, cards: Sequence[Device] = CARDS) -> Iterator[CardCost]:
    """The cost of each form of weights on each card."""
    for card in cards:
        for form, width in FORMS.items():
            yield card_cost(replace(sizes, weight_bytes=width), card, form)


def card_cost(sizes: StepSizes, card: Device, form: str) -> CardCost:
    """The cost on one card. Transfers and kernels do not overlap."""
    stored = weights_of(sizes) * sizes.weight_bytes
    room = card.memory * USABLE_MEMORY - ACTIVATION_WIDTHS * sizes.tokens * sizes.hidden * sizes.activation_bytes
    resident = min(1.0, max(0.0, room / stored))
    bus_bytes = (1 - resident) * stored
    style = style_weights(sizes) * sizes.activation_bytes
    bare = card.seconds(bare_step(sizes)) + bus_bytes / card.bus
    merge = {name: card.seconds(patch_pass(sizes, passes)) for name, passes in _MERGES.items()}
    ratios = {"patch": 1 + (1 - resident) * merge["patch"] / bare}
    ratios |= {side: 1 + card.seconds(added(sizes)) / bare for side, added in ADDED.items()}
    stock = merge["stock"] + style / card.bus
    changes = {"patch": (merge["patch"] + style / card.bus) / stock, "branch": style / card.bus / stock}
    return CardCost(card, form, resident, bus_bytes, bare, ratios, stock, changes)


_MERGES = {"patch": PATCH_PASSES, "stock": STOCK_PASSES}


def card_tables(costs: Sequence[CardCost]) -> list[Table]:
    """A table of steps and one of changes of style, each with a row for every card and form of weights.

    Print `assumptions` below.
    """
    return [_step_table(costs), _change_table(costs)]


def _step_table(costs: Sequence[CardCost]) -> Table:
    table = _table(
        "Cost model of the full FLUX.1 Kontext: a step, and its ratios to the bare step",
        ("on the card", "bus", "bare step", "patch", *ADDED),
    )
    for cost in costs:
        ratios = (f"{ratio:.3f}" for ratio in cost.ratios.values())
        crossing = f"{cost.bus_bytes / 1e9:.1f} GB"
        table.add_row(cost.card.name, cost.form, f"{cost.resident:.0%}", crossing, f"{cost.seconds:.2f} s", *ratios)
    return table


def _change_table(costs: Sequence[CardCost]) -> Table:
    table = _table(
        "Cost model: a change of style",
        ("stock LoRA", "patch / stock", "branch / stock"),
    )
    for cost in costs:
        ratios = (f"{ratio:.2f}" for ratio in cost.changes.values())
        table.add_row(cost.card.name, cost.form, f"{cost.stock_change:.2f} s", *ratios)
    return table


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title)
    table.add_column("card", no_wrap=True)
    table.add_column("weights")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def assumptions(sizes: StepSizes = KONTEXT) -> str:
    """What the cost model assumes, with the counted operations and bytes."""
    kernels = list(bare_step(sizes))
    return (
        f"A step at 1024 x 1024 with a content image: {sizes.tokens:,} tokens, {operations(kernels) / 1e12:.0f} T "
        f"operations, {moved_bytes(kernels) / 1e9:.0f} GB read and written in bf16; a style has "
        f"{style_weights(sizes) / 1e6:.0f} M weights. Nothing here is measured. Assumed: {MATMUL_SHARE:.0%} of the "
        f"data sheet's rate in products, {ATTENTION_SHARE:.0%} in attention, {BANDWIDTH_SHARE:.0%} of the bandwidth "
        f"of memory and bus, {LAUNCH_SECONDS * 1e6:.0f} microseconds for a kernel at least, {USABLE_MEMORY:.0%} of "
        f"the memory usable, {ACTIVATION_WIDTHS} activations of tokens x hidden alive. fp8 weights are cast to bf16 "
        "at each use. Weights that do not fit cross the bus at every step, without overlap, and a patch is merged into "
        "them again. Ratios are relative to the bare step. A change of style does not include the file."
    )
