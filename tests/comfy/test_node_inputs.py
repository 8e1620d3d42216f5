"""Every input of every node is checked before any work, also if a link gives the value."""

import math

import pytest
import torch
from styleroute.errors import StyleRouteError

NUMBERS, CHOICES = ("FLOAT", "INT"), ("COMBO",)
FOREIGN_TYPES = (
    "STYLE_EXPERT",
    "STYLE",
    "ROUTING",
    "ATTENTION_MAPS",
    "MODEL",
    "CONDITIONING",
    "MASK",
    "LATENT",
    "IMAGE",
    "STRING",
    "BOOLEAN",
)
UNKNOWN = "no such choice"


@pytest.fixture
def inputs_of(parts):
    """All inputs of some types: (node, input)."""
    from styleroute.nodes.extension import NODES

    def find(types):
        return [(node, field) for node in NODES for field in node.define_schema().inputs if str(field.io_type) in types]

    return find


def _refusal(node, name: str, value) -> str:
    with pytest.raises(StyleRouteError) as refused:
        node.execute(**{name: value})
    return str(refused.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "many", None, [1.0], 1e30, -1e30])
def test_every_number_is_finite_and_within_its_limits(inputs_of, value):
    numbers = inputs_of(NUMBERS)
    assert len(numbers) > 8
    for node, field in numbers:
        assert f"'{field.id}' is {value!r}, expected a " in _refusal(node, field.id, value)


def test_whole_numbers_are_whole(inputs_of):
    for node, field in inputs_of(["INT"]):
        assert f"'{field.id}' is 1.5, expected a whole number" in _refusal(node, field.id, 1.5)


def test_every_choice_is_one_of_its_options(inputs_of):
    for node, field in inputs_of(CHOICES):
        assert f"'{field.id}' is 7, expected " in _refusal(node, field.id, 7)
        if field.id not in node.checked_by_node:
            assert f"'{field.id}' is '{UNKNOWN}', expected one of " in _refusal(node, field.id, UNKNOWN)


@pytest.mark.parametrize("io_type", FOREIGN_TYPES)
def test_a_value_of_another_pack_with_the_same_type_name_is_refused(inputs_of, io_type):
    class Style:
        """Another pack's class."""

    found = inputs_of([io_type])
    assert found
    for node, field in found:
        sentence = _refusal(node, field.id, Style())
        assert f"'{field.id}' received a value of type Style, expected a {io_type} from " in sentence


def test_every_input_of_every_node_is_checked(inputs_of, parts):
    from styleroute.nodes.extension import NODES

    checked = {*NUMBERS, *CHOICES, *FOREIGN_TYPES}
    others = {str(field.io_type) for node in NODES for field in node.define_schema().inputs} - checked
    assert others == {"CLIP", "CLIP_VISION", "VAE"}  # the nodes look into these models themselves


def test_an_optional_input_may_be_empty(style_expert, siglip, parts):
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.save_style_lora import SaveStyleLoRA

    assert EncodeStyle.execute(style_expert, siglip, torch.rand(1, 32, 32, 3)).result
    with pytest.raises(StyleRouteError, match="needs a style to choose among"):
        SaveStyleLoRA.execute(style_expert, "loras/a", 1.0, style=None)


def test_a_cloned_node_checks_once_and_still_works(style_expert, siglip):
    """ComfyUI executes a clone of a node's class."""
    from comfy_api.internal import shallow_clone_class
    from styleroute.nodes.styles.encode_style import EncodeStyle

    clone = shallow_clone_class(EncodeStyle)
    assert clone.execute.__func__ is EncodeStyle.execute.__func__
    assert clone.execute(style_expert, siglip, torch.rand(1, 32, 32, 3)).result
