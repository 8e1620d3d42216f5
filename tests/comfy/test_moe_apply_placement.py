"""MoE Apply's optional inputs: place, time, blocks and method."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.moe import StyleExpertError


@pytest.fixture
def apply(parts, flux, style_expert, siglip):
    """Applies a style with changed settings to the small Flux or another model; returns the MODEL."""
    from styleroute.nodes.styles.encode_style import EncodeStyle
    from styleroute.nodes.styles.moe_apply import MoEApply

    image = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(1))
    style = EncodeStyle.execute(style_expert, siglip, image).result[0]

    def run(model=None, strength=1.0, **settings):
        return MoEApply.execute(model or flux, style_expert, strength, style, **settings).result[0]

    return run


def branches(model) -> int:
    from styleroute.nodes.branch.branched_model import branches_of

    return len(branches_of(model))


@pytest.mark.parametrize(
    ("settings", "at_run_time"),
    [
        ({}, False),
        ({"blocks": "single"}, False),
        ({"mask": torch.ones(1, 8, 8)}, False),
        ({"method": "branch"}, True),
        ({"mask": torch.eye(8)[None]}, True),
        ({"object": "guitar"}, True),
        ({"start_percent": 0.2}, True),
        ({"end_percent": 0.8}, True),
    ],
)
def test_auto_takes_the_cheapest_method_that_can_do_it(apply, settings, at_run_time):
    model = apply(**settings)
    assert bool(branches(model)) == at_run_time
    assert bool(model.patches) != at_run_time


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_auto_takes_the_branch_for_8_bits(flux, apply, dtype):
    linear = flux.model.diffusion_model.single_blocks[0].linear2
    linear.weight.data = linear.weight.data.to(dtype)
    assert branches(apply()) == 1


def test_both_methods_give_the_same_image(apply, prompt, sample):
    expected = sample(apply(method="patch"), prompt())
    torch.testing.assert_close(sample(apply(method="branch"), prompt()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"blocks": "double 0"}, {"double_blocks"}),
        ({"blocks": "single 1"}, {"single_blocks"}),
        ({"layers": "attention", "blocks": "double"}, {"double_blocks"}),
    ],
)
@pytest.mark.parametrize("method", ["patch", "branch"])
def test_only_the_chosen_blocks_change(apply, settings, changed, method):
    from styleroute.nodes.branch.branched_model import branches_of

    model = apply(method=method, **settings)
    keys = [key.removeprefix("diffusion_model.") for key in model.patches] or branches_of(model)[0].layers[0].keys
    assert {key.split(".")[0] for key in keys} == changed


def test_attention_and_feed_forward_are_all_layers_but_modulations(apply):
    keys = {kind: set(apply(layers=kind).patches) for kind in ("all", "attention", "feed-forward")}
    shared = keys["attention"] & keys["feed-forward"]
    assert shared == {f"diffusion_model.single_blocks.{block}.{name}.weight" for block in (0, 1) for name in
                      ("linear1", "linear2")}  # fmt: skip
    missing = keys["all"] - keys["attention"] - keys["feed-forward"]
    assert missing
    assert all("mod" in key for key in missing)


def test_a_chain_of_patch_and_branches_adds_up(apply, prompt, sample):
    twice = apply(apply(method="patch", strength=0.5), method="branch", strength=0.25)
    once = apply(strength=0.75)
    torch.testing.assert_close(sample(twice, prompt()), sample(once, prompt()), rtol=1e-4, atol=1e-4)


def test_twelve_styles_at_once(apply, prompt, sample, flux):
    model = flux
    for column in range(12):
        mask = torch.zeros(1, 12, 12)
        mask[..., column] = 1
        model = apply(model, mask=mask)
    assert branches(model) == 12
    assert sample(model, prompt()).isfinite().all()


def test_a_black_mask_changes_nothing(apply, flux, prompt, sample):
    model = apply(mask=torch.zeros(1, 8, 8))
    assert not model.patches
    assert torch.equal(sample(model, prompt()), sample(flux, prompt()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start_percent": 0.6, "end_percent": 0.4}, "starts at 0.6 and ends at 0.4"),
        ({"start_percent": 1.0, "end_percent": 1.0}, "it never acts"),
        ({"mask": torch.ones(8, 8)}, r"The mask has shape \[8, 8\]"),
        ({"mask": torch.full((1, 8, 8), torch.nan)}, "The mask holds NaN"),
        ({"method": "patch", "object": "the guitar"}, "'patch' changes all images"),
        ({"method": "patch", "mask": torch.eye(8)[None]}, "Set method to auto"),
        ({"blocks": "none"}, "change no layer"),
        ({"blocks": "double 7"}, "this model has 1 double"),
        ({"blocks": "some"}, "chooses no blocks"),
    ],
)
def test_bad_settings_are_refused_before_any_work(apply, flux, settings, message):
    with pytest.raises((StyleExpertError, AttentionError), match=message):
        apply(**settings)
    assert not flux.patches


@pytest.mark.parametrize("masks", [2, 3])
def test_masks_of_another_number_are_refused(apply, prompt, sample, masks):
    model = apply(mask=torch.eye(8).expand(masks, -1, -1))
    with pytest.raises(AttentionError, match=f"Found {masks} masks for 1 images"):
        sample(model, prompt())
