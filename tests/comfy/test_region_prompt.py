"""Region Style Prompt: the tokens that it finds, with FLUX.1's real tokenizer."""

import pytest
from styleroute.attention import AttentionError

SENTENCE = "make the guitar in mosaic style, keep other area unchanged"


@pytest.fixture(scope="module")
def spans(prompt):
    """The tokens of a prompt's phrases, by name."""
    from styleroute.nodes.maps.region_spans import spans_of

    return lambda *args, **kwargs: {span.name: span.tokens for span in spans_of(prompt(*args, **kwargs))}


def words(clip, text: str, tokens) -> str:
    pieces = [token[0] for chunk in clip.tokenize(text)["t5xxl"] for token in chunk]
    return clip.tokenizer.t5xxl.tokenizer.decode([pieces[place] for place in tokens])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SENTENCE, {"object: guitar": "guitar", "style: mosaic": "mosaic"}),
        (
            "Turn the old man into (pixel-art:1.3) style",
            {"object: old man": "old man", "style: pixel-art": "pixel-art"},
        ),
        (
            "make the guitar in mosaic style and the owl in line-art style",
            {
                "object: guitar": "guitar",
                "style: mosaic": "mosaic",
                "object: owl": "owl",
                "style: line-art": "line-art",
            },
        ),
    ],
)
def test_phrases_are_found_in_the_text(clip, spans, text, expected):
    assert {name: words(clip, text, tokens) for name, tokens in spans(text).items()} == expected


def before(clip, text: str, tokens) -> str:
    return words(clip, text, range(tokens[0]))


def test_a_style_that_two_clauses_name_has_two_spans(clip, spans):
    text = "make the cat in mosaic style and the dog in mosaic style"
    found = spans(text)
    assert list(found) == ["object: cat", "object: dog", "style: mosaic", "style: mosaic (2)"]
    assert words(clip, text, found["style: mosaic"]) == words(clip, text, found["style: mosaic (2)"]) == "mosaic"
    assert before(clip, text, found["style: mosaic"]) == "make the cat in"
    assert before(clip, text, found["style: mosaic (2)"]) == "make the cat in mosaic style and the dog in"


def test_a_style_that_is_named_once_for_two_objects_has_one(spans):
    assert list(spans("make the man and the dog in woven style")) == ["object: man", "object: dog", "style: woven"]


@pytest.mark.parametrize(
    "text", ["make the mosaic floor in mosaic style", "make the (mosaic floor:1.3) in mosaic style"]
)
def test_the_style_phrase_is_found_in_the_style_clause(clip, spans, text):
    found = spans(text)
    assert list(found) == ["object: mosaic floor", "style: mosaic"]
    assert before(clip, text, found["style: mosaic"]) == "make the mosaic floor in"


def test_entered_phrases_replace_found_ones(clip, spans):
    found = spans(SENTENCE, object_phrase="Other Area | guitar")
    assert set(found) == {"object: Other Area", "object: guitar", "style: mosaic"}
    assert words(clip, SENTENCE, found["object: Other Area"]) == "other area"


def test_a_phrase_of_forty_words(clip, spans):
    long = " ".join(f"word{index}" for index in range(40))
    found = spans(f"paint the thing: {long}, nothing else", object_phrase=long, style_phrase="nothing")
    assert words(clip, f"paint the thing: {long}, nothing else", found[f"object: {long}"]) == long


def test_the_prompt_equals_that_of_clip_text_encode(clip, prompt):
    text, options = prompt()[0]
    (expected, expected_options) = clip.encode_from_tokens_scheduled(clip.tokenize(SENTENCE))[0]
    assert text.equal(expected)
    assert options.keys() - expected_options.keys() == {"styleroute_spans", "styleroute_text", "styleroute_prompt"}


def test_a_phrase_that_is_not_there_is_refused(prompt):
    with pytest.raises(AttentionError, match="'banana' is not in the prompt 'make the guitar"):
        prompt(object_phrase="banana")


def test_a_prompt_may_name_nothing_until_a_sampler_needs_a_phrase(prompt, region_sample):
    positive = prompt("a photo of a cat")
    assert positive[0][1]["styleroute_spans"] == ()
    with pytest.raises(AttentionError, match="has no phrase to capture"):
        region_sample(positive)


def test_a_clip_without_t5_is_refused(parts):
    import comfy.sd1_clip
    from styleroute.nodes.regions.region_prompt import RegionPrompt

    class OnlyClip:
        tokenizer = comfy.sd1_clip.SD1Tokenizer()

    with pytest.raises(AttentionError, match="with SD1Tokenizer and has no T5"):
        RegionPrompt.execute(OnlyClip(), SENTENCE)


def test_a_clip_of_another_family_is_refused(parts):
    """SD3's encoders have the same T5, but put its tokens after those of CLIP."""
    from styleroute.nodes.regions.region_prompt import RegionPrompt

    with pytest.raises(AttentionError, match=r"as 154 tokens, .* T5's 77 tokens only.* type flux"):
        RegionPrompt.execute(parts.random_sd3_clip(), SENTENCE)


def test_a_prompt_of_several_chunks_is_accepted(clip, spans):
    text = f"{'a very long prompt, ' * 120} make the guitar in mosaic style"
    assert words(clip, text, spans(text)["style: mosaic"]) == "mosaic"


@pytest.mark.parametrize("name", ["text", "object_phrase", "style_phrase"])
def test_too_many_parentheses_are_refused(prompt, name):
    nested = "(" * 3000 + "make the guitar in mosaic style" + ")" * 3000
    inputs = {"text": SENTENCE, "object_phrase": "guitar", "style_phrase": "mosaic"} | {name: nested}
    with pytest.raises(AttentionError, match="3000 levels of parentheses"):
        prompt(**inputs)
