"""Prompts, token by token as ComfyUI's own tokenizers give them."""

import pytest
from styleroute.errors import TrainingError
from styleroute.training.tiny.prompts import Tokenizers

PROMPTS = ["make the guitar darker", "a painting in the stained glass style", "a photo of a teapot and a ball", "a"]


@pytest.fixture(scope="module")
def tokenizers(comfyui) -> Tokenizers:
    return Tokenizers(comfyui)


def test_ids_are_those_of_comfyui(tokenizers: Tokenizers) -> None:
    from comfy.sd1_clip import SDTokenizer
    from comfy.text_encoders.sd3_clip import T5XXLTokenizer

    for ids, reference in zip(tokenizers(PROMPTS), (T5XXLTokenizer(min_length=32), SDTokenizer()), strict=True):
        for row, prompt in zip(ids.tolist(), PROMPTS, strict=True):
            [expected] = reference.tokenize_with_weights(prompt)
            assert row == [token for token, weight in expected]


def test_a_prompt_that_does_not_fit_is_refused(tokenizers: Tokenizers) -> None:
    with pytest.raises(TrainingError, match=r"a prompt has 41 tokens, expected at most 32 .*: shorten 'cat cat"):
        tokenizers(["cat " * 40])
