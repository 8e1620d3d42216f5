"""The losses over several blocks: the paper's mean map, the release's maps, and empty masks."""

from dataclasses import replace

import pytest
import torch
from styleroute.attention import PRESETS, cover_loss, focus_loss
from styleroute.training.regions.config import RELEASE, RegionObjective
from styleroute.training.regions.losses import attention_losses, joint_loss
from torch import Tensor

PAPER, THEIRS = RegionObjective(), RegionObjective(**RELEASE)


@pytest.fixture
def masks() -> Tensor:
    """[2, 1, 4, 4]: a quarter and a half."""
    masks = torch.zeros(2, 1, 4, 4)
    masks[0, 0, :2, :2] = masks[1, 0, 2:] = 1
    return masks


def _maps(count: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f"double {block}": torch.rand(2, 1, 16, generator=generator) / 16 for block in range(count)}


def test_the_paper_compares_the_mean_of_the_maps(masks: Tensor) -> None:
    maps = _maps()
    losses = attention_losses(maps, masks, PAPER)
    mean = sum(maps.values()) / 3
    assert losses["focus"].item() == pytest.approx(focus_loss(mean, masks.flatten(2)).item(), rel=1e-5)
    assert losses["cover"].item() == pytest.approx(cover_loss(mean, masks.flatten(2)).item(), rel=1e-5)


def test_the_release_takes_the_mean_of_the_losses(masks: Tensor) -> None:
    maps = _maps()
    losses = attention_losses(maps, masks, THEIRS)
    each = [focus_loss(one, masks.flatten(2), preset="release") for one in maps.values()]
    assert losses["focus"].item() == pytest.approx((sum(each) / 3).item(), rel=1e-5)
    # The mean of opposite maps is constant, and only the paper's loss cannot distinguish them from constant maps.
    opposite = {"double 0": masks.flatten(2), "single 0": 1 - masks.flatten(2)}
    even = {"double 0": torch.full_like(masks, 0.5).flatten(2)}
    paper = (attention_losses(maps, masks, PAPER)["focus"] for maps in (opposite, even))
    theirs = [attention_losses(maps, masks, replace(PAPER, supervise="every-map"))["focus"]
              for maps in (opposite, even)]  # fmt: skip
    assert next(paper).item() == pytest.approx(next(paper).item(), rel=1e-5)
    assert abs(theirs[0] - theirs[1]) > 0.1


def test_a_perfect_map_costs_less_than_any_other(masks: Tensor) -> None:
    perfect, even = masks.flatten(2) / 16, torch.full((2, 1, 16), 1 / 16)
    for objective in (PAPER, replace(PAPER, losses=replace(PRESETS["paper"], direction="mask||map"))):
        best, plain = (attention_losses({"single 0": maps}, masks, objective) for maps in (perfect, even))
        assert best["focus"] < plain["focus"]
        assert best["cover"] < plain["cover"]


def test_every_token_is_supervised_alike(masks: Tensor) -> None:
    """Losses of two tokens are averaged, not summed, so that a longer name has no larger weight."""
    one = _maps(1)["double 0"]
    twice = one.expand(-1, 2, -1)
    objective = replace(PAPER, supervise="every-map")
    single = attention_losses({"double 0": one}, masks, objective)
    double = attention_losses({"double 0": twice}, masks.expand(-1, 2, -1, -1), objective)
    assert double["focus"].item() == pytest.approx(single["focus"].item(), rel=1e-5)


def test_a_map_without_a_mask_does_not_count(masks: Tensor) -> None:
    """An example may have fewer spans than another example of the batch."""
    maps = _maps(1)["double 0"]
    padded = torch.cat([maps, torch.zeros_like(maps)], dim=1)
    wide = torch.cat([masks, torch.zeros_like(masks)], dim=1)
    for name, loss in attention_losses({"double 0": padded}, wide, PAPER).items():
        assert loss.item() == pytest.approx(attention_losses({"double 0": maps}, masks, PAPER)[name].item(), rel=1e-5)


@pytest.mark.parametrize(("without", "left"), [("focus", {"cover"}), ("cover", {"focus"}), ("attention", set())])
def test_what_is_left_out_is_not_computed(masks: Tensor, without: str, left: set[str]) -> None:
    assert set(attention_losses(_maps(), masks, replace(PAPER, without=without))) == left


def test_the_joint_loss_is_the_papers_sum() -> None:
    parts = {"focus": torch.tensor(2.0), "cover": torch.tensor(3.0)}
    assert joint_loss(torch.tensor(1.0), parts, PAPER).item() == pytest.approx(1 + 0.1 * 2 + 0.2 * 3)
    assert joint_loss(torch.tensor(1.0), {}, replace(PAPER, without="attention")).item() == 1


@pytest.mark.parametrize(
    ("choices", "ignores"),
    [
        ({}, False),
        (RELEASE, True),
        ({**RELEASE, "without": "focus"}, True),
        ({**RELEASE, "losses": replace(PRESETS["release"], direction="map||mask")}, False),
        ({**RELEASE, "losses": replace(PRESETS["release"], slice="all")}, False),
        ({**RELEASE, "without": "attention"}, False),
    ],
)
def test_an_objective_knows_whether_the_mask_cancels_out_of_its_gradient(choices: dict, ignores: bool) -> None:
    """Measured: the gradients of the tokens' logits for two different masks are equal, or not."""
    objective = RegionObjective(**choices)
    assert objective.ignores_mask == ignores
    if not objective.supervised:
        return
    torch.manual_seed(0)
    places, text, style = 16, 6, slice(2, 5)  # the style has three of six text tokens
    gradients = []
    for mask in (torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)):
        logits = torch.linspace(-1, 1, places * text).sin().view(1, places, text).requires_grad_()
        over = logits[..., style] if objective.losses.slice == "span" else logits
        columns = over.softmax(-1) if objective.losses.slice == "span" else over.softmax(-1)[..., style]
        maps = {"double 0": columns.transpose(1, 2)}  # [B, S, h * w], a map of each token
        losses = attention_losses(maps, mask.expand(1, 3, 4, 4), objective)
        joint_loss(torch.zeros(()), losses, objective).backward()
        gradients.append(logits.grad)
    largest = gradients[0].abs().max().item()
    assert ((gradients[0] - gradients[1]).abs().max().item() < 1e-3 * largest) == ignores
