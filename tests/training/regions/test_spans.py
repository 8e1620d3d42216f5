"""Spans of a style in the prompt with the masks of their objects, by T5's real tokenizer."""

from pathlib import Path

import pytest
from styleroute.attention import AttentionError
from styleroute.dataset.region_manifest import Region, RegionExample
from styleroute.errors import TrainingError
from styleroute.training.regions.spans import MaskedSpan, find_style_spans, require_several_tokens, split_tokens
from styleroute.training.tiny.prompts import Tokenizers


@pytest.fixture(scope="module")
def tokenizer(comfyui: Path):
    return Tokenizers(comfyui).t5


def _example(prompt: str, **styles: str) -> RegionExample:
    regions = tuple(Region(thing, style, Path(f"{thing}.png")) for thing, style in styles.items())
    return RegionExample(prompt, Path("original.png"), Path("styled.png"), regions)


def _words(tokenizer, prompt: str, span: MaskedSpan) -> str:
    ids = tokenizer(prompt)["input_ids"]
    return tokenizer.decode([ids[token] for token in span.tokens]).strip()


def test_the_styles_words_are_found(tokenizer) -> None:
    prompt = "make the butterfly in lilac impressionist style, keep other area unchanged"
    example = _example(prompt, butterfly="lilac impressionist")
    [span] = find_style_spans(tokenizer, example, "lilac impressionist", 77)
    assert _words(tokenizer, prompt, span) == "lilac impressionist"
    assert len(span.tokens) > 2  # several tokens per word
    assert span.masks == (Path("butterfly.png"),)


def test_two_spans_have_an_object_each_and_a_single_span_has_both(tokenizer) -> None:
    prompt = "make the man in pixel-art style and the dog in pixel-art style"
    first, second = find_style_spans(tokenizer, _example(prompt, man="pixel-art", dog="pixel-art"), "pixel-art", 77)
    assert first.tokens[-1] < second.tokens[0]
    assert (first.masks, second.masks) == ((Path("man.png"),), (Path("dog.png"),))
    prompt = "make the man and the dog in pixel-art style"
    [both] = find_style_spans(tokenizer, _example(prompt, man="pixel-art", dog="pixel-art"), "pixel-art", 77)
    assert both.masks == (Path("man.png"), Path("dog.png"))


@pytest.mark.parametrize("objects", [("man", "dog"), ("dog", "man")])
def test_objects_are_matched_by_name_in_any_order_of_the_manifest(tokenizer, objects) -> None:
    prompt = "make the man in pixel-art style and the dog in pixel-art style"
    example = _example(prompt, **dict.fromkeys(objects, "pixel-art"))
    found = {span.masks[0].stem: span.tokens for span in find_style_spans(tokenizer, example, "pixel-art", 77)}
    assert found["man"][-1] < found["dog"][0]


def test_the_styles_words_in_an_objects_name_do_not_count(tokenizer) -> None:
    prompt = "make the mosaic floor in mosaic style"
    regions = (Region("mosaic floor", "mosaic", Path("floor.png")),)
    [span] = find_style_spans(tokenizer, RegionExample(prompt, Path("a.png"), Path("b.png"), regions), "mosaic", 77)
    ids = tokenizer(prompt)["input_ids"]
    assert tokenizer.decode(ids[: span.tokens[0]]).strip() == "make the mosaic floor in"


def test_a_span_that_is_cut_off_is_refused(tokenizer) -> None:
    prompt = "make the man in pixel-art style and the dog in pixel-art style"
    with pytest.raises(AttentionError, match="in the first 12 tokens of"):
        find_style_spans(tokenizer, _example(prompt, man="pixel-art", dog="pixel-art"), "pixel-art", 12)


def test_only_the_objects_of_the_style_count(tokenizer) -> None:
    prompt = "make the man in pixel-art style and the dog in line-art style"
    [span] = find_style_spans(tokenizer, _example(prompt, man="pixel-art", dog="line-art"), "line-art", 77)
    assert _words(tokenizer, prompt, span) == "line-art"
    assert span.masks == (Path("dog.png"),)


def test_a_prompt_without_the_style_is_refused_as_one_that_is_cut_before_it(tokenizer) -> None:
    prompt = "make the man in pixel-art style"
    with pytest.raises(AttentionError, match=r"'cyberpunk' is not in .* 'make the man in pixel-art"):
        find_style_spans(tokenizer, _example(prompt, man="cyberpunk"), "cyberpunk", 77)
    with pytest.raises(AttentionError, match=r"in the first 5 tokens of"):
        find_style_spans(tokenizer, _example(prompt, man="pixel-art"), "pixel-art", 5)


def test_the_release_has_a_span_per_token() -> None:
    spans = [MaskedSpan((3, 4), (Path("a"),)), MaskedSpan((9,), (Path("b"),))]
    assert [span.tokens for span in split_tokens(spans)] == [(3,), (4,), (9,)]
    assert [span.masks[0].name for span in split_tokens(spans)] == ["a", "a", "b"]


def test_a_style_of_one_token_is_refused_with_the_slice_span() -> None:
    example = _example("make the dog in dusk style", dog="dusk")
    one, two = ([(example, (MaskedSpan(tokens, ()),))] for tokens in ((3,), (3, 4)))
    require_several_tokens(two, "dusk")
    require_several_tokens(one + two, "dusk")
    with pytest.raises(TrainingError, match="the style 'dusk' is a single token"):
        require_several_tokens(one, "dusk")
