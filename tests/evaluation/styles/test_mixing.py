"""The table of mixing rules, on the shipped experts with random styles."""

import pytest
import torch
from styleroute.cli import main
from styleroute.evaluation.styles import mixing
from styleroute.evaluation.styles.mixing import RULES, evaluate_mixing
from styleroute.moe import StyleExpert
from styleroute.paths import TINY_MODELS


@pytest.fixture
def styles() -> torch.Tensor:
    return 20 * torch.nn.functional.normalize(torch.randn(6, 384, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_lengths_and_kept_weights(styles: torch.Tensor):
    expert = StyleExpert.open(TINY_MODELS / "style_experts" / "tiny_styles.safetensors")
    evaluation = evaluate_mixing(expert, styles)
    assert evaluation.pairs == 15
    rows = {(row.amount, row.rule): row for row in evaluation.rows}
    for rule in RULES:
        assert rows[0.0, rule].length == pytest.approx(20, rel=1e-4)
        assert rows[0.0, rule].kept == pytest.approx(1, abs=1e-4)
    assert rows[0.5, "straight line"].length < 16 < 19 < rows[0.5, "Mix Styles"].length
    assert rows[0.5, "Mix Styles"].first_weight > rows[0.5, "straight line"].first_weight
    assert rows[2.0, "Mix Styles"].kept > rows[2.0, "great circle"].kept
    assert rows[2.0, "Mix Styles"].length == pytest.approx(20, rel=1e-4)


def test_the_command_prints_the_table(styles: torch.Tensor, monkeypatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(mixing, "style_embeddings", lambda expert, data: styles)
    assert main(["evaluate", "mixing"]) == 0
    shown = capsys.readouterr().out
    assert "15 pairs" in shown
    assert "Mix Styles" in shown


def test_the_unseen_styles_of_a_dataset_are_embedded(data):
    expert = StyleExpert.open(TINY_MODELS / "style_experts" / "tiny_styles.safetensors")
    embeddings = mixing.style_embeddings(expert, data)
    assert embeddings.shape == (2, expert.config.cond_dim)
    assert torch.nn.functional.cosine_similarity(*embeddings, dim=0) < 0.999
