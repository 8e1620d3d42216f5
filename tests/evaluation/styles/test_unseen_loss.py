"""The loss on unseen images: the shipped small Kontext, handmade images, experts with random weights."""

import pytest
import torch
from styleroute.evaluation.styles import unseen_loss
from styleroute.evaluation.styles.methods import NO_ENCODER, SINGLE_LORA, WIDE, StyleMethod
from styleroute.evaluation.styles.trials import choose_trials
from styleroute.evaluation.styles.unseen_loss import NO_EXPERTS, added_to_weights, unseen_losses
from styleroute.moe import LowRank, StyleExpert
from styleroute.paths import TINY_MODELS
from torch import nn


def test_each_method_has_its_own_loss_and_an_expert_without_effect_has_that_of_the_base_model(
    triplets, write_lora, write_moe, monkeypatch
) -> None:
    monkeypatch.setattr(unseen_loss, "LEVELS", 2)
    trials = choose_trials(triplets, seen=False, photos=1)
    methods = [
        StyleMethod(SINGLE_LORA, write_lora(), "none", style_reference=True),
        StyleMethod(NO_ENCODER, write_moe(), "pooled-latents"),
        StyleMethod(
            WIDE, TINY_MODELS / "style_experts" / "tiny_styles.safetensors", "style-encoder", style_reference=True
        ),
    ]
    rows = {row.name: row for row in unseen_losses(methods, trials)}
    assert list(rows) == [NO_EXPERTS, SINGLE_LORA, NO_ENCODER, WIDE]
    assert all(row.trials == [0, 1] for row in rows.values())
    losses = [row.values("loss").tolist() for row in rows.values()]
    assert len({tuple(loss) for loss in losses}) == len(losses)

    monkeypatch.setattr(StyleExpert, "collapse", lambda *_: {})
    again = {row.name: row for row in unseen_losses(methods[1:2], trials)}
    assert again[NO_ENCODER].scores == again[NO_EXPERTS].scores == rows[NO_EXPERTS].scores


def test_weights_are_restored_even_after_an_error() -> None:
    model = nn.ModuleDict({"layer": nn.Linear(3, 2)})
    before = model["layer"].weight.detach().clone()
    pair = LowRank(up=torch.ones(2, 1), down=torch.ones(1, 3))
    with added_to_weights(model, {"layer": pair}):
        torch.testing.assert_close(model["layer"].weight, before + 1)
    assert torch.equal(model["layer"].weight, before)
    with pytest.raises(TypeError), added_to_weights(model, {"layer": pair}):
        model["layer"]("no tensor")
    assert torch.equal(model["layer"].weight, before)
