"""The grammar for blocks and steps."""

import pytest
from styleroute.attention import AttentionError
from styleroute.attention.selection import parse_blocks, parse_steps

COUNTS = {"double": 3, "single": 6}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("none", set()),
        ("double 1", {("double", 1)}),
        ("Double 0-1, single5", {("double", 0), ("double", 1), ("single", 5)}),
        ("double", {("double", 0), ("double", 1), ("double", 2)}),
        ("single 2 - 3,single 3", {("single", 2), ("single", 3)}),
    ],
)
def test_blocks(text, chosen):
    assert set(parse_blocks(text, COUNTS)) == chosen


def test_all_blocks():
    assert len(parse_blocks(" ALL ", COUNTS)) == 9


@pytest.mark.parametrize("text", ["", "tripel 1", "double 1;2", "0-3", "double -1", "double 1,"])
def test_blocks_outside_the_grammar(text):
    with pytest.raises(AttentionError, match='Write all, middle, none, or for instance "double 0-2, single 5"'):
        parse_blocks(text, COUNTS)


def test_blocks_that_the_model_does_not_have():
    with pytest.raises(AttentionError, match="Block double 3 was chosen, but this model has 3 double and 6 single"):
        parse_blocks("double 1-5", COUNTS)
    with pytest.raises(AttentionError, match="is too large"):
        parse_blocks("double 0-999999999999", COUNTS)


@pytest.mark.parametrize(("text", "chosen"), [("all", None), ("0", {0}), ("0-2, 9", {0, 1, 2, 9})])
def test_steps(text, chosen):
    assert parse_steps(text) == chosen


@pytest.mark.parametrize("text", ["", "none", "first", "1-", "-1"])
def test_steps_outside_the_grammar(text):
    with pytest.raises(AttentionError, match='Write all, or for instance "0-9, 19"'):
        parse_steps(text)


@pytest.mark.parametrize("parse", [parse_steps, lambda text: parse_blocks(f"double 0, single {text}", COUNTS)])
def test_ranges_that_run_backwards(parse):
    with pytest.raises(AttentionError, match="'5-2' runs backwards"):
        parse("5 - 2")
    assert len(parse("2-2")) in (1, 2)


KONTEXT = {"double": 19, "single": 38}
NETWORK = [f"double {block}" for block in range(19)] + [f"single {block}" for block in range(38)]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("all", NETWORK),
        ("single", NETWORK[19:]),
        ("single 3, double 2, single 3", ["double 2", "single 3"]),
        ("middle", NETWORK[14:43]),
        ("double 16-18, single 0", NETWORK[16:20]),
    ],
)
def test_blocks_come_in_the_order_of_the_network(text, chosen):
    assert [block.name for block in parse_blocks(text, KONTEXT)] == chosen
