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


@pytest.fixture
def executing(shown):
    """Runs a `with` block as the work of one node in one execution of a workflow."""
    from comfy_execution.utils import CurrentNodeContext

    return lambda prompt_id, item=0: CurrentNodeContext(prompt_id, "9", item)


def upscaled_in_tiles(model, positive, sample) -> None:
    """Samples each half of an image in a run of its own, as Ultimate SD Upscale does."""
    for _ in range(2):
        sample(model, positive, latent={"samples": torch.zeros(1, 16, 8, 6)}, steps=1)


@pytest.mark.parametrize("place", PLACES, ids=["mask", "object"])
def test_a_node_that_samples_tile_after_tile_is_told_about_places(
    add_style, prompt, sample, place, executing, shown, caplog
):
    styled, note = add_style(**place), "If it samples tiles of an image, apply the style without mask and object there."
    for run in ("first", "second"):
        shown.clear()
        with executing(run):
            upscaled_in_tiles(styled, prompt(), sample)
        assert [node_id for text, node_id in shown if text.endswith(note)] == ["9"]
    assert caplog.text.count(note) == 2  # once for each run of the workflow
    with executing("third"):
        sample(styled, prompt(), steps=1)
    assert shown[-1] == (" ", "9")  # a run of one image removes the note
    for item in range(2):  # the items of a list are whole images
        with executing("fourth", item):
            sample(styled, prompt(), steps=1)
    with executing("fifth"):
        upscaled_in_tiles(add_style(), prompt(), sample)
    assert caplog.text.count(note) == 2
