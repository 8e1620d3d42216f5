"""Spans in a CONDITIONING."""

from dataclasses import replace

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.nodes.maps.region_spans import KEY, RegionSpan, names_of, require_spans, spans_of, with_spans

GUITAR, MOSAIC = RegionSpan("guitar", "object", (3,)), RegionSpan("mosaic", "style", (5, 6))


def conditioning() -> list:
    return [[torch.zeros(1, 8, 4), {"pooled_output": torch.zeros(1, 2)}]]


def test_spans_travel_in_the_options_and_the_input_stays():
    before = conditioning()
    after = with_spans(before, [GUITAR, MOSAIC])
    assert KEY not in before[0][1]
    assert after[0][0] is before[0][0]
    assert after[0][1]["pooled_output"] is before[0][1]["pooled_output"]
    assert require_spans(after) == spans_of(after) == (GUITAR, MOSAIC)


def test_spans_of_equal_texts_come_once_and_those_of_others_are_numbered_on():
    guitar = with_spans(conditioning(), [GUITAR, MOSAIC])
    assert spans_of(guitar + conditioning() + guitar) == (GUITAR, MOSAIC)
    owl, again = RegionSpan("owl", "object", (3,)), replace(MOSAIC, number=2)
    owls = with_spans(conditioning(), [owl, MOSAIC, again])
    assert spans_of(guitar + owls) == (GUITAR, MOSAIC, owl, again, replace(MOSAIC, number=3))


def test_none_are_refused():
    with pytest.raises(AttentionError, match="encode the prompt with Region Style Prompt"):
        require_spans(conditioning())


def test_names_of_a_region():
    assert names_of([GUITAR, MOSAIC], "style") == ("style: mosaic",)
    assert names_of([GUITAR, MOSAIC], "both") == ("object: guitar", "style: mosaic")
    with pytest.raises(AttentionError, match="names no style, only its object"):
        names_of([GUITAR], "style")


def test_two_mentions_of_a_phrase_have_names_of_their_own():
    again = RegionSpan("mosaic", "style", (11, 12), number=2)
    assert spans_of(with_spans(conditioning(), [MOSAIC, again])) == (MOSAIC, again)
    assert names_of([MOSAIC, again], "style") == ("style: mosaic", "style: mosaic (2)")
