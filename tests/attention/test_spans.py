"""Spans in tokens of the real T5 vocabulary, with transformers' tokenizer and with ComfyUI's wrapper."""

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from styleroute.attention import AttentionError, find_span

PROMPT = "make the man in pixel-art style, keep other area unchanged"
WORDS = """the man cat Watercolour pixel-art ukiyo-e style, 1920s dog's café naïve Art: Van-Gogh's NEON art guitar! I'm
a antidisestablishmentarianism Straße 3d-rendered C++ x 🐈 ½ well— “quoted” a/b & _snake_case_ #tag"""


@pytest.fixture(params=["transformers", "comfyui"])
def tokenizer(request):
    return request.getfixturevalue("t5" if request.param == "transformers" else "comfy_t5")


def ids_of(tokenizer, prompt):
    """The token ids that the encoder gets, with joined chunks."""
    if hasattr(tokenizer, "tokenize_with_weights"):
        return [token for chunk in tokenizer.tokenize_with_weights(prompt) for token, _ in chunk]
    return tokenizer(prompt)["input_ids"]


def words_at(tokenizer, prompt, span):
    """The text of a span, from the tokenizer's decoder."""
    ids = ids_of(tokenizer, prompt)
    return getattr(tokenizer, "tokenizer", tokenizer).decode([ids[position] for position in span]).strip()


def test_positions_in_the_papers_prompt(tokenizer):
    # make the man in _ pixel - art style , keep other area unchanged
    assert find_span(tokenizer, PROMPT, "man") == [2]
    assert find_span(tokenizer, PROMPT, "pixel-art") == [5, 6, 7]
    assert find_span(tokenizer, PROMPT, "pixel-art style") == [5, 6, 7, 8]
    assert find_span(tokenizer, PROMPT, "unchanged") == [13]


@pytest.mark.parametrize(
    ("prompt", "phrase", "words"),
    [
        ("Make the MAN in Pixel-Art style", "man", "MAN"),
        ("make the man in PIXEL-ART style", "pixel-art", "PIXEL-ART"),
        ("make the man in pixel-art style", "Pixel-Art", "pixel-art"),
        ("the watercolourists' cat", "watercolourists", "watercolourists"),
        ("the dog's collar", "dog", "dog"),
        ("the dog's collar", "dog's collar", "dog's collar"),
        ("(in brackets), the cat.", "cat", "cat"),
        ("ukiyo-e, art", "ukiyo-e", "ukiyo-e"),
        ("the grand café", "GRAND café", "grand café"),
        ("make the\n  old\tman glow", "old man", "old man"),
        ("make the old man glow", "  old \n man ", "old man"),
        ("die große Straße", "STRASSE", "Straße"),
        ("in ﬁne art style", "fine art", "fine art"),
        ("the C++ logo", "c++", "C++"),
    ],
)
def test_text_of_the_span(tokenizer, prompt, phrase, words):
    assert words_at(tokenizer, prompt, find_span(tokenizer, prompt, phrase)) == words


def test_only_whole_words_match(tokenizer):
    prompt = "the artist, the catalogue and the cat: art"
    assert find_span(tokenizer, prompt, "art") == [
        len(tokens_before(tokenizer, "the artist, the catalogue and the cat:"))
    ]
    assert words_at(tokenizer, prompt, find_span(tokenizer, prompt, "cat")) == "cat"
    with pytest.raises(AttentionError, match="is not in the"):
        find_span(tokenizer, prompt, "artis")


def tokens_before(tokenizer, text):
    ids = ids_of(tokenizer, text)
    return ids[: ids.index(1)]  # up to the end token


def test_repeated_phrases(tokenizer):
    prompt = "the cat in mosaic style and the dog in mosaic style"
    first, second = (find_span(tokenizer, prompt, "mosaic style", occurrence) for occurrence in (0, 1))
    assert max(first) < min(second)
    assert words_at(tokenizer, prompt, second) == "mosaic style"
    with pytest.raises(AttentionError, match=r"occurs 2 times in the prompt .*no occurrence 2"):
        find_span(tokenizer, prompt, "mosaic style", 2)
    with pytest.raises(AttentionError, match="no occurrence -1"):
        find_span(tokenizer, prompt, "mosaic style", -1)


def test_characters_outside_the_vocabulary(tokenizer):
    prompt = "paint the 🐈 beside the tree"
    (position,) = find_span(tokenizer, prompt, "🐈")
    assert ids_of(tokenizer, prompt)[position] == 2  # <unk>
    assert words_at(tokenizer, prompt, find_span(tokenizer, prompt, "tree")) == "tree"


def test_phrase_of_forty_words(tokenizer):
    phrase = " ".join(["old", "wooden", "guitar", "with", "strings"] * 8)
    prompt = f"make the {phrase} in mosaic style"
    assert words_at(tokenizer, prompt, find_span(tokenizer, prompt, phrase)) == phrase


@pytest.mark.parametrize("phrase", ["woman", "pixel art", "style keep", "art pixel", "mann"])
def test_missing_phrase_shows_the_prompt(tokenizer, phrase):
    with pytest.raises(AttentionError) as caught:
        find_span(tokenizer, PROMPT, phrase)
    assert f"'{phrase}'" in str(caught.value)
    assert PROMPT in str(caught.value)


@pytest.mark.parametrize("phrase", ["", "  ", "\n"])
def test_empty_phrase(tokenizer, phrase):
    with pytest.raises(AttentionError, match="empty"):
        find_span(tokenizer, PROMPT, phrase)


def test_prompt_that_is_cut(tokenizer):
    assert find_span(tokenizer, PROMPT, "unchanged", max_length=15) == [13]
    with pytest.raises(AttentionError, match="in the first 10 tokens of 'make the man"):
        find_span(tokenizer, PROMPT, "unchanged", max_length=10)


def test_foreign_tokenizer():
    with pytest.raises(AttentionError, match="tokenizer of type str"):
        find_span("T5", PROMPT, "man")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=14), st.data())
def test_any_words_of_a_prompt(t5, comfy_t5, words, data):
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    prompt, phrase = " ".join(words), " ".join(words[start:end])
    phrase = data.draw(st.sampled_from([phrase, phrase.upper(), phrase.lower()]))
    before = len(tokens_before(t5, " ".join(words[:start])))
    own = tokens_before(t5, " ".join(words[start:end]))
    expected = list(range(before, before + len(own)))
    for tokenizer in (t5, comfy_t5):
        spans = every_span(tokenizer, prompt, phrase)
        # A lone "▁" before the first token holds no letter of the phrase.
        bare = expected[1:] if t5.convert_ids_to_tokens(own[0]) == "▁" and len(own) > 1 else expected
        # Occurrences are counted without overlap: in "the the the" the second "the the" begins within the first.
        assert bare in spans or any(set(bare) & set(span) for span in spans), (prompt, phrase)


def test_occurrences_do_not_overlap(tokenizer):
    assert every_span(tokenizer, "the the the the", "the the") == [[0, 1], [2, 3]]
    assert every_span(tokenizer, "the the the", "the the") == [[0, 1]]


def every_span(tokenizer, prompt, phrase):
    spans = []
    while True:
        try:
            spans.append(find_span(tokenizer, prompt, phrase, len(spans)))
        except AttentionError:
            return spans


@pytest.mark.parametrize(
    ("prompt", "phrase"),
    [
        ("make the man in (pixel-art:1.2) style", "pixel-art"),
        ("make the man in (pixel-art:1.2) style", "(pixel-art:1.2)"),
        ("make the man in (pixel-art:1.2) style", "(pixel-art:1.2) style"),
        ("make the man in (pixel-art:1.2) style", "pixel-art style"),
        ("make the man in ((pixel-art)) style", "pixel-art"),
        ("make the (man:0.5) in (pixel:1.2)-art style", "man in pixel-art"),
        ("make the (man in (pixel-art:1.3) style:1.1), keep", "pixel-art style"),
    ],
)
def test_weights(comfy_t5, prompt, phrase):
    span = find_span(comfy_t5, prompt, phrase)
    expected = phrase.replace("(", "").replace(")", "").replace(":1.2", "")
    assert words_at(comfy_t5, prompt, span).replace(" -", "-") == expected
    weights = [weight for chunk in comfy_t5.tokenize_with_weights(prompt) for _, weight in chunk]
    assert any(weights[position] != 1 for position in span)


def test_escaped_parentheses(comfy_t5):
    prompt = r"make the cat \(small\) in mosaic style"
    for phrase in (r"cat \(small\)", "cat (small)"):
        assert words_at(comfy_t5, prompt, find_span(comfy_t5, prompt, phrase)) == "cat (small)"
    assert words_at(comfy_t5, prompt, find_span(comfy_t5, prompt, "small")).strip("()") == "small"


def test_padding_does_not_move_spans(comfy_t5):
    span = find_span(comfy_t5, PROMPT, "pixel-art")
    assert len(ids_of(comfy_t5, PROMPT)) == 256
    assert span == [5, 6, 7]


@pytest.mark.parametrize("pad", [False, True])
def test_prompts_of_several_chunks(comfy_t5, pad):
    """Positions count over the joined chunks, including end tokens and padding."""
    short = copy.copy(comfy_t5)
    short.max_length, short.pad_to_max_length, short.min_length = 12, pad, None
    prompt = (
        "(make the old man:1.1) (in pixel-art style:1.2) (with a long grey beard:1.3) (and the cat in watercolour:1)"
    )
    assert len(short.tokenize_with_weights(prompt)) > 2
    for phrase in ("man", "pixel-art style", "grey beard", "watercolour"):
        span = find_span(short, prompt, phrase)
        assert words_at(short, prompt, span) == phrase
    # A phrase continues in the next chunk: the end token and the padding between do not belong to it.
    long = "the wooden guitar beside the watercolourist in a meadow of flowers"
    assert len(short.tokenize_with_weights(long)) > 1
    assert words_at(short, long, find_span(short, long, long)) == long


def test_textual_inversions_keep_their_positions(comfy_t5, monkeypatch):
    chunk = [(torch.zeros(4096), 1.0), (torch.zeros(4096), 1.0), *comfy_t5.tokenize_with_weights("the man")[0]]
    wrapper = copy.copy(comfy_t5)
    read = wrapper.tokenize_with_weights
    wrapper.tokenize_with_weights = lambda text, **options: [chunk] if "embedding" in text else read(text, **options)
    assert find_span(wrapper, "embedding:style the man", "man") == [3]
