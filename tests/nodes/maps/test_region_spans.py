"""Spans in the options of a CONDITIONING."""

from dataclasses import replace

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.nodes.maps.region_spans import (
    SPANS_KEY,
    RegionSpan,
    names_in_region,
    require_spans,
    spans_of,
    with_spans,
)

GUITAR, MOSAIC = RegionSpan("guitar", "object", (3,)), RegionSpan("mosaic", "style", (5, 6))


def conditioning() -> list:
    return [[torch.zeros(1, 8, 4), {"pooled_output": torch.zeros(1, 2)}]]


def test_spans_are_added_to_a_copy():
    before = conditioning()
    after = with_spans(before, [GUITAR, MOSAIC])
    assert SPANS_KEY not in before[0][1]
    assert after[0][0] is before[0][0]
    assert after[0][1]["pooled_output"] is before[0][1]["pooled_output"]
    assert spans_of(after) == (GUITAR, MOSAIC)


def test_equal_texts_count_once_and_different_texts_are_numbered_on():
    guitar = with_spans(conditioning(), [GUITAR, MOSAIC])
    assert spans_of(guitar + conditioning() + guitar) == (GUITAR, MOSAIC)
    owl, again = RegionSpan("owl", "object", (3,)), replace(MOSAIC, number=2)
    owls = with_spans(conditioning(), [owl, MOSAIC, again])
    assert spans_of(guitar + owls) == (GUITAR, MOSAIC, owl, again, replace(MOSAIC, number=3))


def test_a_conditioning_without_spans_is_refused():
    with pytest.raises(AttentionError, match="Encode the prompt with Region Style Prompt"):
        require_spans(spans_of(conditioning()))


def test_names_of_a_region():
    assert names_in_region([GUITAR, MOSAIC], "style") == ("style: mosaic",)
    assert names_in_region([GUITAR, MOSAIC], "both") == ("object: guitar", "style: mosaic")
    with pytest.raises(AttentionError, match="names no style, only its object"):
        names_in_region([GUITAR], "style")


def test_two_mentions_of_a_phrase_have_two_names():
    again = RegionSpan("mosaic", "style", (11, 12), number=2)
    assert spans_of(with_spans(conditioning(), [MOSAIC, again])) == (MOSAIC, again)
    assert names_in_region([MOSAIC, again], "style") == ("style: mosaic", "style: mosaic (2)")
