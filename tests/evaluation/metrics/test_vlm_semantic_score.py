"""Our semantic score: its formula, its order with a scripted model, and the questions to real classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import VisionLanguageModel
from styleroute.evaluation.metrics import edge_correlation, semantic_answers, vlm_semantic_score
from styleroute.evaluation.metrics.vlm_semantic_score import COLOUR_ONLY, LINE, MATERIAL, TEXTURE

from ..scripted_vlm import ScriptedVlm


def by_edges(images: Sequence[np.ndarray], question: str) -> float:
    """Equal edges count as equal texture, lines and material, in whatever colours."""
    return max(edge_correlation(images[0], images[1]), 0.0)


@pytest.fixture
def content() -> np.ndarray:
    squares = np.random.default_rng(0).integers(0, 200, (8, 8), dtype=np.uint8)
    return np.kron(squares, np.ones((8, 8), np.uint8))[..., None].repeat(3, 2)


@pytest.fixture
def style() -> np.ndarray:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::8] = (250, 120, 0)
    return stripes


def test_a_style_scores_high_and_a_copy_of_its_colours_low(content, style) -> None:
    recoloured = (content * np.array([1.0, 0.5, 0.1])).astype(np.uint8)
    blend = (style * 0.6 + content * 0.4).astype(np.uint8)
    images = [style, blend, recoloured, content]
    scores = vlm_semantic_score(images, [content] * 4, [style] * 4, ScriptedVlm(by_edges))
    assert scores[0] > 0.8
    assert scores[0] > scores[1] > scores[2]
    assert max(scores[2:]) < 0.1
    swapped = vlm_semantic_score([style], [style], [content], ScriptedVlm(by_edges))
    assert swapped[0] < 0.1


def test_the_score_is_the_mean_of_three_times_what_is_not_only_colour(content, style) -> None:
    answers = {TEXTURE: 0.9, LINE: 0.6, MATERIAL: 0.3, COLOUR_ONLY: 0.2}
    vlm = ScriptedVlm(lambda images, question: answers[question], mass=0.7)
    found = semantic_answers([style], [content], [style], vlm)
    assert found.semantic[0] == pytest.approx(0.6)
    assert found.score[0] == pytest.approx(0.6 * 0.8)
    assert found.mass[0] == pytest.approx(0.7)
    assert set(vlm.questions) == answers.keys()


def test_the_questions_show_style_and_result_or_content_and_result(content, style) -> None:
    shown = {}
    result = np.full((64, 64, 3), 7, np.uint8)
    vlm = ScriptedVlm(lambda images, question: shown.setdefault(question, images) is None)
    vlm_semantic_score([result], [content], [style], vlm)
    for question in (TEXTURE, LINE, MATERIAL):
        assert [image is expected for image, expected in zip(shown[question], (style, result), strict=True)] == [1, 1]
    assert shown[COLOUR_ONLY][0] is content
    assert shown[COLOUR_ONLY][1] is result


def test_real_classes_give_the_formula_of_their_answers(vlm_folder: Path, content, style) -> None:
    vlm = VisionLanguageModel.load(vlm_folder, device="cpu")
    images, contents, styles = [content, style], [style, content], [content, content]
    found = vlm_semantic_score(images, contents, styles, vlm)
    yes = [vlm.ask([[styles[1], images[1]]], [question]).answers[0, 0] for question in (TEXTURE, LINE, MATERIAL)]
    colour = vlm.ask([[contents[1], images[1]]], [COLOUR_ONLY]).answers[0, 0]
    assert found[1] == pytest.approx(np.mean(yes) * (1 - colour), abs=1e-4)
    alone = vlm_semantic_score(images[:1], contents[:1], styles[:1], vlm)
    assert alone[0] == pytest.approx(found[0], abs=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(vlm_semantic_score(images, contents, styles, vlm), found, atol=0.1)


def test_unequal_lists_are_refused(content, style) -> None:
    with pytest.raises(DataError, match="one entry for each image"):
        vlm_semantic_score([content], [content, content], [style], ScriptedVlm(by_edges))
