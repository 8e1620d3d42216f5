"""`evidence losses`: files are tried as they were trained, and compared with the first."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from styleroute.errors import TrainingError
from styleroute.evaluation.rows import Row
from styleroute.evaluation.styles import losses, unseen_loss
from styleroute.evaluation.styles.losses import LossesConfig, compare_losses, difference_table
from styleroute.evaluation.styles.unseen_loss import NO_EXPERTS, UnseenLoss
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.paths import TINY_MODELS

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture
def tried(triplets, monkeypatch) -> list:
    """The methods that would be measured."""
    found = []

    def note(methods, trials):
        found.extend(methods)
        return [Row(method.name, [0], [UnseenLoss(1.0)], 1) for method in methods]

    monkeypatch.setattr(unseen_loss, "unseen_losses", note)
    monkeypatch.setattr(losses, "read_triplets", lambda *_: triplets)
    return found


def test_a_file_is_tried_as_it_was_trained(tried, write_lora) -> None:
    _, steps = compare_losses(LossesConfig((SHIPPED,)))
    (shipped,) = tried
    assert (shipped.reads, shipped.style_reference, shipped.alone) == ("style-encoder", True, False)
    training = StyleExpert.open(SHIPPED).training
    assert steps == {str(SHIPPED): training["steps"] + training["steps_before"]}


def test_routed_experts_are_tried_without_the_routed_ones_too(tried) -> None:
    compare_losses(LossesConfig((SHIPPED,), alone=True))
    assert [method.alone for method in tried] == [False, True]
    assert tried[1].name == f"{SHIPPED}, its shared expert alone"


def test_what_cannot_be_tried_is_refused(tried, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no expert file"):
        compare_losses(LossesConfig((tmp_path / "gone.safetensors",)))
    (tmp_path / "text.safetensors").write_text("This is no safetensors file.")
    with pytest.raises(StyleExpertError, match=r"text\.safetensors"):
        compare_losses(LossesConfig((tmp_path / "text.safetensors",)))
    for wrong in ({"photos": 0}, {"files": ()}):
        with pytest.raises(TrainingError, match="give"):
            replace(LossesConfig((SHIPPED,)), **wrong)
    assert not tried


def test_alone_nothing_of_the_routed_experts_is_added(triplets) -> None:
    """The shared expert's part of the layer, whatever the style is."""
    from styleroute.evaluation.styles.methods import Method
    from styleroute.evaluation.styles.unseen_loss import _Adapter
    from styleroute.training.bases import load_base

    method = Method("alone", SHIPPED, "style-encoder", style_reference=True, alone=True)
    adapter = _Adapter(method, load_base("tiny"))
    first, second = (adapter.pairs(row.reference) for row in (triplets[0], triplets[-1]))
    together = _Adapter(replace(method, alone=False), load_base("tiny")).pairs(triplets[0].reference)
    layer = next(iter(first))
    changes = [pairs[layer].up @ pairs[layer].down for pairs in (first, second, together)]
    assert (changes[0] - changes[1]).abs().max() < 1e-6 < (changes[0] - changes[2]).abs().max()


def test_the_table_compares_with_the_first_file() -> None:
    rows = [
        Row(name, [0, 1], [UnseenLoss(loss), UnseenLoss(loss)], 1)
        for name, loss in ((NO_EXPERTS, 0.5), ("first", 0.3), ("second", 0.25))
    ]
    console = Console(width=100, record=True)
    console.print(difference_table(rows))
    text = console.export_text()
    assert "Against first" in text
    assert "-0.0500" in text
    assert NO_EXPERTS not in text
