"""Answers of small random Qwen2.5-VL and Qwen3-VL models, against probabilities computed by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import VisionLanguageModel

QUESTIONS = ["is it a dog?", "are both images drawn in the same way?"]
YES, NO = ("yes", "Yes"), ("no", "No")
"""The answers' forms that are one token of the small tokenizer."""


@pytest.fixture(scope="module")
def vlm(vlm_folder: Path) -> VisionLanguageModel:
    return VisionLanguageModel.load(vlm_folder, device="cpu")


@pytest.fixture
def shown(metric_images) -> list[list[np.ndarray]]:
    return [metric_images[:1], metric_images[1:]]


def first_token(folder: Path, images: list[np.ndarray], question: str) -> tuple[torch.Tensor, object]:
    """The distribution of the answer's first token, from a whole pass over one question."""
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, model = AutoProcessor.from_pretrained(folder), AutoModelForImageTextToText.from_pretrained(folder).eval()
    one = "<|vision_start|><|image_pad|><|vision_end|>"
    parts = [f"Image {number}: {one}" for number in (1, 2)] if len(images) == 2 else [one]
    text = f"<|im_start|>user\n{''.join(parts)}{question}<|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(text=[text], images=[Image.fromarray(image) for image in images], return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).logits[0, -1].softmax(-1), processor.tokenizer


def test_probabilities_are_the_models_own(vlm, vlm_folder: Path, shown) -> None:
    found = vlm.yes_probability(shown, QUESTIONS)
    for number, (images, question) in enumerate(zip(shown, QUESTIONS, strict=True)):
        probabilities, tokenizer = first_token(vlm_folder, images, question)
        yes, no = (
            sum(probabilities[tokenizer.convert_tokens_to_ids(form)].item() for form in forms) for forms in (YES, NO)
        )
        assert found.mass[number] == pytest.approx(yes + no, rel=1e-3)
        np.testing.assert_allclose(found.answers[number], [yes / (yes + no), no / (yes + no)], atol=1e-4)


def test_a_batch_gives_the_answers_of_single_questions_also_with_autocast(vlm, shown) -> None:
    """The questions differ in length and number of images, so a batch has padding."""
    together = vlm.yes_probability(shown, QUESTIONS)
    for number in range(2):
        alone = vlm.yes_probability(shown[number : number + 1], QUESTIONS[number : number + 1])
        np.testing.assert_allclose(alone.answers[0], together.answers[number], atol=1e-4)
        np.testing.assert_allclose(alone.mass[0], together.mass[number], rtol=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(vlm.yes_probability(shown, QUESTIONS).answers, together.answers, atol=0.1)


def test_images_and_questions_change_the_answer(vlm, shown) -> None:
    same = vlm.yes_probability([shown[0]] * 2, [QUESTIONS[0]] * 2).answers
    np.testing.assert_allclose(same[0], same[1], atol=1e-5)
    other_image = vlm.yes_probability([shown[1][:1]], QUESTIONS[:1]).answers
    other_question = vlm.yes_probability([shown[0]], QUESTIONS[1:]).answers
    swapped = vlm.yes_probability([shown[1][::-1]], QUESTIONS[1:]).answers
    assert abs(other_image[0, 0] - same[0, 0]) > 1e-4
    assert abs(other_question[0, 0] - same[0, 0]) > 1e-4
    assert abs(swapped[0, 0] - vlm.yes_probability(shown[1:], QUESTIONS[1:]).answers[0, 0]) > 1e-4


def test_graded_answers_sum_to_one(vlm, shown) -> None:
    found = vlm.ask(shown, ["from 1 to 5, how similar?"] * 2, answers=("1", "2", "3", "4", "5"))
    assert found.answers.shape == (2, 5)
    np.testing.assert_allclose(found.answers.sum(1), 1)
    assert vlm.ask([], []).answers.shape == (0, 2)


def test_long_answers_and_unequal_lists_are_refused(vlm, shown) -> None:
    with pytest.raises(DataError, match=r"The answer 'certainly' is not one token .*choose another answer"):
        vlm.ask(shown, QUESTIONS, answers=("certainly", "no"))
    with pytest.raises(DataError, match="one entry for each image"):
        vlm.yes_probability(shown, QUESTIONS[:1])


def test_a_folder_without_a_chat_template_is_refused(vlm_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(vlm_folder, tmp_path / "vlm")
    for name in ("chat_template.jinja", "chat_template.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(DataError, match=r"has no tokenizer or no chat template, expected a chat model"):
        VisionLanguageModel.load(folder)
