"""The cost model against the measured models: how time and ratios grow with the hidden size, predicted and measured."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from .comfy_ratios import CaseResult, ModelSizes
from .cost_model import ADDED, StepSizes, bare_step
from .devices import Device


@dataclass(frozen=True)
class Growth:
    """One side's step at one size.

    Attributes:
        sizes: the model.
        side: name of the side in the benchmark.
        seconds: measured seconds of the bare step beside it, the median.
        ratio: measured ratio of the side's step to the bare step, the median.
        predicted_seconds: the bare step by the cost model.
        predicted_ratio: the ratio by the cost model.
    """

    sizes: ModelSizes
    side: str
    seconds: float
    ratio: float
    predicted_seconds: float
    predicted_ratio: float


def step_sizes(sizes: ModelSizes) -> StepSizes:
    """The sizes of a measured model for the cost model. A CPU computes in float32."""
    half = sizes.tokens // 2
    width = 4 if sizes.form == "float32" else 2
    weight = 1 if sizes.form == "fp8" else width
    return StepSizes(
        sizes.hidden,
        sizes.double,
        sizes.single,
        half,
        half,
        sizes.text,
        weight_bytes=weight,
        activation_bytes=width,
    )


def compare(results: Sequence[CaseResult], device: Device) -> list[Growth]:
    """The measured steps that the cost model predicts, with its predictions."""
    return [_growth(result, device) for result in results if result.case.kind == "step" and result.case.ours in ADDED]


def _growth(result: CaseResult, device: Device) -> Growth:
    sizes = step_sizes(result.sizes)
    bare = device.seconds(bare_step(sizes))
    added = device.seconds(ADDED[result.case.ours](sizes))
    return Growth(
        result.sizes,
        result.case.ours,
        statistics.median(theirs for _, theirs in result.seconds),
        statistics.median(ours / theirs for ours, theirs in result.seconds),
        bare,
        1 + added / bare,
    )


def growth_table(found: Sequence[Growth], device: Device) -> Table:
    """Predicted and measured seconds of the bare step, their growth from the first size, and the ratios."""
    rates = (
        f"{device.matmul / 1e9:.0f} GFLOP/s in products, {device.attention / 1e9:.0f} in attention, "
        f"{device.bandwidth / 1e9:.1f} GB/s, {device.launch * 1e6:.0f} microseconds for a kernel at least"
    )
    caption = (
        f"Predicted from the rates of {device.name}, measured before: {rates}. A busy machine has other rates "
        "later, so compare the growth and the ratios, not the seconds."
    )
    table = Table(title="Cost model against the measured models", caption=caption, caption_justify="left")
    table.add_column("hidden", justify="right")
    table.add_column("side")
    for heading in (
        "bare step: predicted",
        "measured",
        "growth: predicted",
        "measured",
        "ratio: predicted",
        "measured",
    ):
        table.add_column(heading, justify="right")
    first: dict[str, Growth] = {}
    for each in found:
        start = first.setdefault(each.side, each)
        growth = (each.predicted_seconds / start.predicted_seconds, each.seconds / start.seconds)
        table.add_row(
            str(each.sizes.hidden),
            each.side,
            f"{each.predicted_seconds:.3g} s",
            f"{each.seconds:.3g} s",
            *(f"x {one:.1f}" for one in growth),
            f"{each.predicted_ratio:.3f}",
            f"{each.ratio:.3f}",
        )
    return table
