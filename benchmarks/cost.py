"""Operations and trainable parameters of FLUX.1 Kontext at full size: alone, with a single LoRA, and with experts.

The models are on torch's meta device, which has shapes but no numbers: nothing is loaded, and no graphics card is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from ..training.experts.routed_linear import AdapterConfig, BatchStyle, add_experts, trained_state

KONTEXT: Mapping[str, Any] = {
    "in_channels": 64,
    "num_layers": 19,
    "num_single_layers": 38,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 768,
    "guidance_embeds": True,
}
"""Sizes of FLUX.1 Kontext's transformer."""
TEXT_TOKENS = 128
"""Text tokens of StyleExpert's published inference code."""
IMAGE_TOKENS = 2 * 64 * 64
"""Tokens of the generated image and of the content image, both at 1024 x 1024 pixels."""

EXPERTS = AdapterConfig()
"""StyleExpert's 16 experts of rank 8 with top-k 2, and a shared expert of rank 8."""
ADAPTERS: Mapping[str, AdapterConfig | None] = {
    "base model": None,
    "single LoRA of rank 136": replace(EXPERTS, experts=0, shared_rank=136, cond_dim=0),
    "experts (MoE)": EXPERTS,
}
"""The rows of the table. The single LoRA has the rank of all experts together, as in `train experts --preset
single-lora`."""


@dataclass(frozen=True)
class PaperCost:
    """A row of StyleExpert's table.

    Attributes:
        operations: in units of 10^9; for adapters, what they add to the base model.
        parameters: trainable parameters in millions; None for the base model.
    """

    operations: float
    parameters: float | None


PAPER = (PaperCost(10.92, None), PaperCost(0.67, 751.48), PaperCost(0.12, 818.71))
"""The paper's rows, in the order of `ADAPTERS`."""


@dataclass(frozen=True)
class Cost:
    """What one model costs.

    Attributes:
        name: name of the row.
        operations: floating-point operations of one forward pass; a multiplication and an addition count as two.
        parameters: trainable parameters.
    """

    name: str
    operations: int
    parameters: int


def count_costs(sizes: Mapping[str, Any] = KONTEXT, image_tokens: int = IMAGE_TOKENS) -> list[Cost]:
    """The cost of every row of `ADAPTERS`.

    Args:
        sizes: sizes of the transformer, as diffusers names them.
        image_tokens: tokens of the generated image and of the content image together.
    """
    return [count_cost(name, adapter, sizes, image_tokens) for name, adapter in ADAPTERS.items()]


def count_cost(name: str, adapter: AdapterConfig | None, sizes: Mapping[str, Any], image_tokens: int) -> Cost:
    """The cost of a transformer with an adapter, or alone."""
    style, parameters = BatchStyle(), 0
    with torch.device("meta"), torch.no_grad():
        model = FluxTransformer2DModel(**sizes)
        if adapter is not None:
            style.set(torch.zeros(1, adapter.cond_dim))
            trained = trained_state(add_experts(model, style, adapter))
            parameters = sum(weight.numel() for weight in trained.values())
        counter = FlopCounterMode(display=False)
        with counter:
            model(**_inputs(sizes, image_tokens), return_dict=False)
    return Cost(name, counter.get_total_flops(), parameters)


def cost_table(costs: Sequence[Cost]) -> Table:
    """Our counts with the paper's figures beside; adapters show what they add to the base model."""
    caption = (
        f"Ours: one step at 1024 x 1024 with a content image, {IMAGE_TOKENS:,} image tokens and {TEXT_TOKENS} text "
        "tokens; a multiplication and an addition are two operations. Adapters show what they add, at run time. The "
        "paper does not say what its G counts, so compare the percentages."
    )
    table = Table(title="Cost of one step", caption=caption, caption_justify="left")
    table.add_column("model")
    for heading in ("operations (T)", "added", "parameters (M)", "paper: (G)", "added", "parameters (M)"):
        table.add_column(heading, justify="right", no_wrap=True)
    base = costs[0].operations
    for cost, paper in zip(costs, PAPER, strict=True):
        ours = _ours(cost, base)
        added = "" if paper.parameters is None else f"{paper.operations / PAPER[0].operations:.2%}"
        sign = "" if paper.parameters is None else "+"
        theirs = "" if paper.parameters is None else f"{paper.parameters:.2f}"
        table.add_row(cost.name, *ours, f"{sign}{paper.operations:.2f}", added, theirs)
    return table


def _ours(cost: Cost, base: int) -> tuple[str, str, str]:
    if not cost.parameters:
        return f"{cost.operations / 1e12:.2f}", "", ""
    added = cost.operations - base
    return f"+{added / 1e12:.2f}", f"{added / base:.2%}", f"{cost.parameters / 1e6:.2f}"


def _inputs(sizes: Mapping[str, Any], image_tokens: int) -> dict[str, torch.Tensor]:
    """The transformer's inputs for one image."""
    return {
        "hidden_states": torch.zeros(1, image_tokens, sizes["in_channels"]),
        "encoder_hidden_states": torch.zeros(1, TEXT_TOKENS, sizes["joint_attention_dim"]),
        "pooled_projections": torch.zeros(1, sizes["pooled_projection_dim"]),
        "timestep": torch.zeros(1),
        "guidance": torch.zeros(1),
        "img_ids": torch.zeros(image_tokens, 3),
        "txt_ids": torch.zeros(TEXT_TOKENS, 3),
    }
