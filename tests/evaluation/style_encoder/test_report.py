"""Retrieval with known answers, the plot, and the report."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from styleroute.evaluation.style_encoder.report import EncoderReport
from styleroute.evaluation.style_encoder.retrieval import RetrievalScores, retrieve
from styleroute.evaluation.style_encoder.tsne import plot_styles


def test_a_perfect_embedding_finds_everything_even_at_negative_cosines() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    # Images of one style are 100 degrees apart; the other content of the other style is 145 degrees away.
    angles = torch.tensor([0.0, 100.0, 245.0, 145.0]).deg2rad()
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    found = retrieve("perfect", vectors, labels, ["a", "b", "a", "b"])
    assert (found.recall_at_1, found.mean_average_precision, found.queries) == (1.0, 1.0, 4)


def test_a_style_is_never_found_by_the_same_content() -> None:
    # This embedding depends on the content: without the rule, every query would first find its own content.
    labels, contents = torch.tensor([0, 1, 0, 1]), ["a", "a", "b", "b"]
    vectors = torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0], [0.0, 1.0]])
    found = retrieve("content", vectors, labels, contents)
    assert found.recall_at_1 == 0.5
    assert found.mean_average_precision == pytest.approx((1 + 0.5 + 1 + 0.5) / 4)


def test_average_precision_equals_its_definition() -> None:
    # Ranking of query 0: wrong, right, wrong, right.
    angles = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    vectors = torch.stack([angles.cos(), angles.sin()], dim=1)
    contents = list("abcde")
    one_query = retrieve("", vectors, torch.tensor([0, 1, 0, 2, 0]), contents)
    by_hand = {0: (1 / 2 + 2 / 4) / 2, 2: None, 4: None}
    # Ranking of query 2: 1 and 3 (wrong), then 0 and 4. Ranking of query 4: 3 (wrong), 2, 1 (wrong), 0.
    by_hand[2], by_hand[4] = (1 / 3 + 2 / 4) / 2, (1 / 2 + 2 / 4) / 2
    assert one_query.mean_average_precision == pytest.approx(sum(by_hand.values()) / 3)
    assert (one_query.queries, one_query.left_out) == (3, 2)


def test_without_a_second_content_in_any_style_there_is_no_query() -> None:
    found = retrieve("", torch.randn(3, 4), torch.tensor([0, 1, 1]), ["a", "b", "b"])
    assert (found.queries, found.left_out) == (0, 3)


def test_silhouette_equals_its_definition() -> None:
    # Cosine distances: 0 in the first style, 2 in the second style, 1 between the styles.
    vectors = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = retrieve("", vectors, torch.tensor([0, 0, 1, 1]), list("abcd"))
    assert found.silhouette == pytest.approx((1 + 1 - 0.5 - 0.5) / 4)


def test_too_few_images_give_no_plot(tmp_path: Path) -> None:
    labels, names = torch.arange(12) % 3, {0: "oil", 1: "ink", 2: "chalk"}
    panels = {"encoder": torch.randn(12, 6), "baseline": torch.randn(12, 5)}
    assert plot_styles(tmp_path / "styles.png", panels, labels, names)
    assert Image.open(tmp_path / "styles.png").width > 1000
    few = {name: vectors[:4] for name, vectors in panels.items()}
    assert not plot_styles(tmp_path / "few.png", few, labels[:4], names)


def test_the_report_is_a_table_and_json(tmp_path: Path) -> None:
    report = EncoderReport(["oil", "ink"], [RetrievalScores("style encoder", 0.5, 0.25, 0.1, 8, 0)])
    assert (report.table().row_count, "2 unseen styles, 8 queries" in str(report.table().title)) == (1, True)
    report.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["rows"][0]["recall_at_1"] == 0.5
