"""Text from files and prompts becomes safe to log, to print and to show, whatever it holds."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from styleroute.plain_text import MAX_MESSAGE, MAX_QUOTED, plain, quoted, shown

ANY_TEXT = st.text(alphabet=st.characters(), max_size=3_000)
"""Any characters, lone surrogates too."""
HOSTILE = "\ud800 \x1b[2J \x07 \x00 \r \x9b \u202e \u2066 \u200b \ue000 \u2028 \x7f"


def hidden_categories(text: str) -> set[str]:
    """Unicode categories of the characters, without those of visible characters and spaces."""
    return {kind for kind in map(unicodedata.category, text) if kind[0] == "C" or kind in ("Zl", "Zp")}


@given(ANY_TEXT)
def test_any_text_can_be_logged(text):
    message = plain(text)
    message.encode("utf-8")
    assert len(message) <= MAX_MESSAGE
    assert not hidden_categories(message.replace("\n", ""))
    assert plain(message) == message


@given(ANY_TEXT)
def test_a_quoted_part_is_one_short_line(text):
    part = quoted(text)
    part.encode("utf-8")
    assert len(part) <= MAX_QUOTED + 2
    assert part[0] == part[-1]
    assert part[0] in "'\""
    assert not hidden_categories(part)


def test_hidden_characters_become_escapes():
    message = plain(HOSTILE)
    for escape in (r"\ud800", r"\x1b[2J", r"\x07", r"\x00", r"\r", r"\x9b", r"\u202e", r"\u2066", r"\u200b", r"\u2028"):
        assert escape in message


@pytest.mark.parametrize(
    "text", ["", "plain", "naïve “style” – 墨絵 🎨", "a 'b' c", "C:\\styles\\a.safetensors", "two\nlines"]
)
def test_ordinary_text_stays(text):
    assert plain(text) == text
    assert quoted(text.replace("\n", " "))[1:-1] == text.replace("\n", " ")


def test_a_long_message_keeps_its_start_and_its_remedy():
    message = plain(f"The file holds {'x' * 5_000_000}. Download it again.")
    assert len(message) == MAX_MESSAGE
    assert message.startswith("The file holds xxx")
    assert message.endswith("xxx. Download it again.")


def test_a_long_quoted_part_ends_with_an_ellipsis():
    assert quoted("k" * 81) == f"'{'k' * 79}…'"
    assert quoted("k" * 80) == f"'{'k' * 80}'"
    assert quoted([1] * 1_000).endswith("…")


def test_values_of_extreme_size_are_described():
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert "too large to show" in shown(10**5_000)
    assert "too large to show" in quoted(nested)
    while nested:  # Python would free so deep a list recursively
        (nested,) = nested
