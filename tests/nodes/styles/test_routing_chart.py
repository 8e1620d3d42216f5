"""The heat map of a routing."""

import pytest
import torch
from styleroute.moe import Routing
from styleroute.nodes.styles.routing_chart import (
    CELL_HEIGHT,
    FULL,
    GAP,
    HEAD_HEIGHT,
    MARGIN,
    MAX_ROWS,
    TITLE_HEIGHT,
    _Chart,
    contributions,
    empty_chart,
    routing_chart,
    short_name,
)
from styleroute.nodes.styles.style_types import RoutingTable


def table_of(num_layers: int = 3, arithmetic: str = "paper", has_shared: bool = True) -> RoutingTable:
    """Every layer sends 0.75 to expert 2 and 0.25 to expert 0, of four."""
    routing = Routing(indices=torch.tensor([[2, 0]]), weights=torch.tensor([[0.75, 0.25]]))
    layers = {f"transformer_blocks.{index}.attn.to_q": routing for index in range(num_layers)}
    return RoutingTable(layers, 4, ("0", "1", "2", "3"), arithmetic, has_shared, "styles.safetensors")


@pytest.mark.parametrize(
    ("arithmetic", "has_shared", "row"),
    [
        ("paper", True, [1, 0.25, 0, 0.75, 0]),
        ("paper", False, [0.25, 0, 0.75, 0]),
        ("release-1", True, [0.75, 0, 0, 0.25, 0]),
        ("release-1", False, [0.25, 0, 0.75, 0]),
    ],
)
def test_contributions_follow_the_arithmetic(arithmetic, has_shared, row):
    values, labels = contributions(table_of(arithmetic=arithmetic, has_shared=has_shared))
    assert values.tolist() == [row] * 3
    assert len(labels) == len(row)


def test_chart_is_an_rgb_image():
    chart = routing_chart(table_of())
    assert chart.dtype == torch.float32
    assert chart.ndim == 4
    assert chart.shape[0] == 1
    assert chart.shape[-1] == 3
    assert 0 <= chart.min() < chart.max() <= 1


def test_cells_are_darker_the_stronger_the_expert():
    table = table_of(has_shared=False)
    measures, chart = _Chart(table), routing_chart(table)[0]
    left, top = MARGIN + measures.name_width, MARGIN + TITLE_HEIGHT + HEAD_HEIGHT
    corner = [chart[top + 2, left + column * measures.cell_width + 2].mean().item() for column in range(4)]
    assert corner[2] < corner[0] < corner[1] == corner[3]
    assert corner[2] > sum(FULL) / 3 / 255


def test_long_lists_continue_in_a_second_panel():
    few, many = _Chart(table_of(MAX_ROWS)), _Chart(table_of(2 * MAX_ROWS))
    assert few.draw().height == many.draw().height == 2 * MARGIN + TITLE_HEIGHT + HEAD_HEIGHT + 64 * CELL_HEIGHT
    assert many.draw().width == 2 * MARGIN + 2 * many._panel_width() - 2 * GAP


def test_panels_are_of_equal_height():
    chart = _Chart(table_of(MAX_ROWS + 2))
    assert chart.rows == (MAX_ROWS + 2) // 2
    assert list(chart._starts()) == [0, chart.rows]


@pytest.mark.parametrize(
    ("layer", "short"),
    [
        ("transformer_blocks.0.attn.to_q", "double 0 attn.to_q"),
        ("single_transformer_blocks.12.proj_mlp", "single 12 proj_mlp"),
        ("proj_out", "proj_out"),
    ],
)
def test_short_names(layer, short):
    assert short_name(layer) == short


def test_an_empty_chart_shows_its_sentence():
    chart, longer = empty_chart("No routing."), empty_chart("No routing: MoE Apply is bypassed.")
    assert chart.shape[0] == 1
    assert chart.shape[3] == 3
    assert (chart < 0.5).any()
    assert longer.shape[2] > chart.shape[2]
