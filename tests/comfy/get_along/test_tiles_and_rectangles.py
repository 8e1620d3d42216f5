"""Nodes that give the model parts of the image: styles work in each part, masks and objects are refused."""

import pytest
import torch
from styleroute.attention import AttentionError

from ..test_capture_refusals import tiled

PLACES = [{"mask": torch.eye(8)[None]}, {"object": "the guitar"}]


@pytest.mark.parametrize("stacked", [False, True])
def test_a_style_of_the_whole_image_works_in_each_tile(flux, add_style, prompt, sample, stacked):
    patch, branch = (
        sample(tiled(add_style(method=method), 6, stacked), prompt()) for method in ("patch", "branch")
    )  # fmt: skip
    torch.testing.assert_close(branch, patch, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(patch, sample(tiled(flux, 6, stacked), prompt()), atol=1e-3)


@pytest.mark.parametrize("place", PLACES, ids=["mask", "object"])
@pytest.mark.parametrize("stacked", [False, True])
def test_a_place_is_refused_with_tiles(add_style, prompt, sample, place, stacked, untouched):
    with pytest.raises(AttentionError, match=r"gets 6 x 8 latents .* 12 x 8, .* without the tiling node"):
        sample(tiled(add_style(**place), 6, stacked), prompt())
    untouched()


@pytest.mark.parametrize("place", PLACES, ids=["mask", "object"])
def test_a_single_tile_is_the_whole_image(add_style, prompt, sample, place):
    styled = add_style(**place)
    assert torch.equal(sample(tiled(styled, 12, False), prompt()), sample(styled, prompt()))


@pytest.mark.parametrize("place", PLACES, ids=["mask", "object"])
def test_a_prompt_for_a_rectangle_is_refused_with_a_place(add_style, prompt, plain, sample, method, place, untouched):
    import nodes

    (area,) = nodes.ConditioningSetArea().append(plain("a boat"), 32, 32, 0, 0, 1.0)
    for positive, negative in ((prompt() + area, prompt()), (prompt(), area)):
        with pytest.raises(AttentionError, match=r"rectangle only, .* Use Conditioning \(Set Mask\)"):
            sample(add_style(**place), positive, negative, cfg=2.0)
    assert sample(add_style(method=method), prompt() + area).isfinite().all()
    untouched()


def test_a_prompt_for_a_mask_keeps_the_places(add_style, prompt, plain, sample, halves):
    import nodes

    masked = [nodes.ConditioningSetMask().append(plain(text), half, "default", 1.0)[0]
              for text, half in zip(("a boat", "a tree"), halves, strict=True)]  # fmt: skip
    styled = add_style(mask=halves[0])
    assert not torch.equal(sample(styled, masked[0] + masked[1]), sample(styled, prompt()))
