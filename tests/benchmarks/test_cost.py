"""Operations against sums by hand on a small Flux; parameters at full size against the real layers' shapes."""

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from styleroute.benchmarks.cost import (
    ADAPTERS,
    EXPERTS,
    KONTEXT,
    TEXT_TOKENS,
    Cost,
    cost_table,
    count_cost,
    count_costs,
)
from styleroute.benchmarks.parameter_search import KINDS, choices_table, nearest_choices, usual_choices
from torch import nn

SMALL = {**KONTEXT, "num_layers": 1, "num_single_layers": 2, "num_attention_heads": 2}
"""Hidden size 256."""
TOKENS = 32


@pytest.fixture(scope="module")
def small() -> list[Cost]:
    return count_costs(SMALL, TOKENS)


@pytest.fixture(scope="module")
def kontext() -> FluxTransformer2DModel:
    with torch.device("meta"):
        return FluxTransformer2DModel(**KONTEXT)


def test_operations_of_the_base_model_are_those_of_its_products(small: list[Cost]) -> None:
    """Each linear layer multiplies its weight with each of its tokens, and attention multiplies twice."""
    hidden, both = 256, TEXT_TOKENS + TOKENS
    double = 12 * hidden**2 * both + 2 * 6 * hidden**2
    single = 12 * hidden**2 * both + 3 * hidden**2
    attention = 3 * 2 * both**2 * hidden
    ends = TOKENS * 64 * hidden * 2 + TEXT_TOKENS * 4096 * hidden + (2 * 256 + 768 + 3 * hidden + 2 * hidden) * hidden
    assert small[0] == Cost("base model", 2 * (double + 2 * single + attention + ends), 0)


def test_adapters_add_their_rank(small: list[Cost]) -> None:
    """The single LoRA has rank 136; the chosen experts have rank 8 + 2 * 8 = 24, and gates for one embedding."""
    base, lora, experts = (cost.operations for cost in small)
    layers = 12 + 2 * 5
    gates = layers * 2 * EXPERTS.experts * EXPERTS.cond_dim
    assert (lora - base) * 24 == (experts - base - gates) * 136
    assert 0 < experts - base < lora - base


def test_operations_grow_with_the_tokens(small: list[Cost]) -> None:
    assert count_cost("base model", None, SMALL, 2 * TOKENS).operations > small[0].operations


def test_the_search_knows_every_linear_layer(kontext: FluxTransformer2DModel) -> None:
    linears = [module for module in kontext.modules() if isinstance(module, nn.Linear)]
    assert sum(kind.layers for kind in KINDS) == len(linears)
    assert sum(kind.width for kind in KINDS) == sum(one.in_features + one.out_features for one in linears)


def test_usual_choices_have_the_published_sizes() -> None:
    blocks, _, everything = usual_choices()
    assert round(blocks.parameters / 1e6, 1) == 576.2
    assert round(everything.parameters / 1e6, 1) == 762.1


def test_no_choice_with_the_papers_shared_rank_reaches_the_papers_number() -> None:
    """The nearest choice is the whole model, which has fewer parameters."""
    (nearest,) = nearest_choices(count=1, shared_ranks=(8,))
    assert nearest.parameters == usual_choices()[-1].parameters < 818e6


def test_the_search_finds_the_nearest_choices_first() -> None:
    found = nearest_choices(count=5, shared_ranks=(32,))
    errors = [abs(choice.parameters - 818.71e6) for choice in found]
    assert errors == sorted(errors)
    chosen = np.random.default_rng(0).random((1000, len(KINDS))) < 0.8
    widths, layers = np.array([(kind.width, kind.layers) for kind in KINDS]).T
    others = chosen @ (widths * (16 * 8 + 32) + layers * 16 * 3072)
    assert errors[0] <= np.abs(others - 818.71e6).min()


def test_tables_show_the_papers_figures(small: list[Cost]) -> None:
    table = cost_table(small)
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == list(ADAPTERS)
    assert cells[4] == ["10.92", "+0.67", "+0.12"]
    assert cells[6] == ["", "751.48", "818.71"]
    assert cells[5] == ["", "6.14%", "1.10%"]
    assert len(choices_table(nearest_choices(2)).rows) == 3 + 4 * 2
