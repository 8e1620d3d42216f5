"""Which STYLE fits an expert, and what a ROUTING holds."""

import pytest
import torch
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.nodes.styles.style_types import Style, encoder_id, require_style, routing_table
from torch import nn


def test_encoder_id_changes_with_the_weights():
    encoder = nn.Linear(3, 2)
    before = encoder_id(encoder)
    assert before == encoder_id(encoder)
    with torch.no_grad():
        encoder.weight[0, 0] += 1
    assert before != encoder_id(encoder)


def test_a_style_of_the_same_encoder_is_accepted(style_expert: StyleExpert, style: Style):
    assert require_style(style_expert, style) is style.embedding


def test_a_missing_style_is_refused(style_expert: StyleExpert):
    with pytest.raises(StyleExpertError, match="no style is connected"):
        require_style(style_expert, None)


def test_a_style_of_another_width_is_refused(style_expert: StyleExpert):
    other = Style(torch.zeros(1, 5), 1, encoder_id(style_expert.encoder))
    with pytest.raises(StyleExpertError, match=r"5 numbers.*expect 24"):
        require_style(style_expert, other)


def test_a_style_of_another_encoder_is_refused(style_expert: StyleExpert, style: Style):
    other = Style(style.embedding, 1, "another")
    with pytest.raises(StyleExpertError, match=r"comes from the style encoder another, but .* its own"):
        require_style(style_expert, other)


def test_a_plain_lora_needs_no_style(region_expert: StyleExpert):
    assert require_style(region_expert, None) is None
    table = routing_table(region_expert, None)
    assert table.num_experts == 1
    assert table.labels == ("pixel-art",)
    assert all(routing.weights.tolist() == [[1.0]] for routing in table.layers.values())


def test_routing_table_holds_the_routes(style_expert: StyleExpert, style: Style):
    table = routing_table(style_expert, style.embedding)
    assert tuple(table.layers) == style_expert.layers
    assert table.num_experts == len(table.labels) == 4
    assert table.arithmetic == "paper"
    assert table.has_shared
    for layer, routing in style_expert.route(style.embedding).items():
        assert torch.equal(table.layers[layer].indices, routing.indices)
        assert torch.equal(table.layers[layer].weights, routing.weights)
