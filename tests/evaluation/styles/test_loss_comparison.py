"""`evaluate losses`: files are evaluated with the inputs of their training, and compared with the first file."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from styleroute.errors import TrainingError
from styleroute.evaluation.method_scores import MethodScores
from styleroute.evaluation.styles import loss_comparison, unseen_loss
from styleroute.evaluation.styles.loss_comparison import LossComparisonConfig, compare_losses, difference_table
from styleroute.evaluation.styles.unseen_loss import NO_EXPERTS, UnseenLoss
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.paths import TINY_MODELS

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture
def evaluated(triplets, monkeypatch) -> list:
    """The methods whose loss would be computed."""
    found = []

    def note(methods, trials):
        found.extend(methods)
        return [MethodScores(method.name, [0], [UnseenLoss(1.0)], per_style=1) for method in methods]

    monkeypatch.setattr(unseen_loss, "unseen_losses", note)
    monkeypatch.setattr(loss_comparison, "read_triplets", lambda *_: triplets)
    return found


def test_a_file_is_evaluated_with_the_inputs_of_its_training(evaluated, write_lora) -> None:
    _, steps = compare_losses(LossComparisonConfig((SHIPPED,)))
    (shipped,) = evaluated
    assert (shipped.condition, shipped.style_reference, shipped.shared_expert_only) == ("style-encoder", True, False)
    training = StyleExpert.open(SHIPPED).training
    assert steps == {str(SHIPPED): training["steps"] + training["steps_before"]}


def test_files_are_also_evaluated_without_their_routed_experts(evaluated) -> None:
    compare_losses(LossComparisonConfig((SHIPPED,), alone=True))
    assert [method.shared_expert_only for method in evaluated] == [False, True]
    assert evaluated[1].name == f"{SHIPPED}, only its shared expert"


def test_missing_and_foreign_files_are_refused(evaluated, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no expert file"):
        compare_losses(LossComparisonConfig((tmp_path / "gone.safetensors",)))
    (tmp_path / "text.safetensors").write_text("This is no safetensors file.")
    with pytest.raises(StyleExpertError, match=r"text\.safetensors"):
        compare_losses(LossComparisonConfig((tmp_path / "text.safetensors",)))
    for wrong in ({"photos": 0}, {"files": ()}):
        with pytest.raises(TrainingError, match="give"):
            replace(LossComparisonConfig((SHIPPED,)), **wrong)
    assert not evaluated


def test_the_shared_expert_alone_does_not_depend_on_the_style(triplets) -> None:
    from styleroute.evaluation.styles.methods import StyleMethod
    from styleroute.evaluation.styles.unseen_loss import _PairSource
    from styleroute.training.bases import load_base

    method = StyleMethod("shared expert", SHIPPED, "style-encoder", style_reference=True, shared_expert_only=True)
    base = load_base("tiny")
    source = _PairSource(method, base, 256)
    first, second = (source.pairs(row.reference) for row in (triplets[0], triplets[-1]))
    together = _PairSource(replace(method, shared_expert_only=False), base, 256).pairs(triplets[0].reference)
    layer = next(iter(first))
    changes = [pairs[layer].up @ pairs[layer].down for pairs in (first, second, together)]
    assert (changes[0] - changes[1]).abs().max() < 1e-6 < (changes[0] - changes[2]).abs().max()


def test_the_table_compares_with_the_first_file() -> None:
    rows = [
        MethodScores(name, [0, 1], [UnseenLoss(loss), UnseenLoss(loss)], per_style=1)
        for name, loss in ((NO_EXPERTS, 0.5), ("first", 0.3), ("second", 0.25))
    ]
    console = Console(width=100, record=True)
    console.print(difference_table(rows))
    text = console.export_text()
    assert "Compared with first" in text
    assert "-0.0500" in text
    assert NO_EXPERTS not in text
