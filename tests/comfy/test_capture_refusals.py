"""Runs that cannot be captured are refused, and the advice in the message works."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.moe import StyleExpertError
from torch import Tensor

STYLE = "style: mosaic"


def test_a_conditioning_without_spans_is_refused_before_any_step(capture, plain, sample):
    model, _ = capture()
    with pytest.raises(AttentionError, match="Encode the prompt with Region Style Prompt"):
        sample(model, plain("make the guitar in mosaic style"))


@pytest.fixture
def right_half() -> Tensor:
    mask = torch.zeros(1, 64, 96)
    mask[:, :, 48:] = 1
    return mask


def test_a_rectangle_is_refused(capture, prompt, sample, right_half):
    import nodes

    area = nodes.ConditioningSetArea().append(prompt(), 32, 32, 0, 0, 1.0)[0]
    bounds = nodes.ConditioningSetMask().append(prompt(), right_half, "mask bounds", 1.0)[0]
    for positive in (area, bounds):
        with pytest.raises(
            AttentionError, match=r"rectangle only, .* Use Conditioning \(Set Mask\) with set_cond_area at 'default'\.$"
        ):
            sample(capture()[0], positive)


def test_the_advice_for_a_rectangle_works(capture, prompt, sample, right_half):
    import nodes

    model, maps = capture()
    sample(model, nodes.ConditioningSetMask().append(prompt(), right_half, "default", 1.0)[0])
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def test_a_rectangle_of_the_negative_is_allowed(capture, prompt, plain, sample):
    import nodes

    negative = nodes.ConditioningSetArea().append(plain("blurry"), 32, 32, 0, 0, 1.0)[0]
    model, maps = capture()
    sample(model, prompt(), negative, cfg=2.0)
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def tiled(model, width: int, stacked: bool):
    """A clone that samples latents [1, C, 8, 12] in tiles of this width, one by one or as a batch."""

    def wrapper(apply_model, arguments):
        tiles, timestep, c = arguments["input"].split(width, dim=3), arguments["timestep"], arguments["c"]
        if stacked:
            each = {name: value.repeat(len(tiles), *[1] * (value.ndim - 1)) for name, value in c.items()
                    if isinstance(value, Tensor)}  # fmt: skip
            return torch.cat(
                apply_model(torch.cat(tiles), timestep.repeat(len(tiles)), **c | each).chunk(len(tiles)), 3
            )
        return torch.cat([apply_model(tile, timestep, **c) for tile in tiles], dim=3)

    clone = model.clone()
    clone.set_model_unet_function_wrapper(wrapper)
    return clone


@pytest.mark.parametrize(("width", "stacked"), [(6, False), (6, True), (8, False)])
def test_latents_that_are_sampled_in_tiles_are_refused(flux, capture, prompt, sample, width, stacked):
    sample(tiled(flux, width, stacked), prompt())  # such a node works without capture
    with pytest.raises(AttentionError, match=rf"gets {width} x 8 latents .* 12 x 8, .* without the tiling node"):
        sample(capture(tiled(flux, width, stacked))[0], prompt())


def test_a_single_tile_is_accepted(flux, capture, prompt, sample):
    model, maps = capture(tiled(flux, 12, False))
    sample(model, prompt())
    assert maps.read(0, STYLE).values.shape == (2, 3, 1, 4, 6)


def test_a_batch_that_another_node_splits_is_refused(flux, capture, prompt, sample):
    def one_by_one(apply_model, arguments):
        images = zip(arguments["input"].split(1), arguments["timestep"].split(1), strict=True)
        c = {name: value[:1] if isinstance(value, Tensor) else value for name, value in arguments["c"].items()}
        return torch.cat([apply_model(image, timestep, **c) for image, timestep in images])

    parted = flux.clone()
    parted.set_model_unet_function_wrapper(one_by_one)
    positive = prompt() + prompt("make the owl in pixel-art style")
    with pytest.raises(AttentionError, match="gets 1 latents at a time for 2 conditionings"):
        sample(capture(parted)[0], positive)


def test_a_batch_that_is_sampled_one_by_one_is_refused(flux, capture, prompt, sample):
    def one_by_one(apply_model, arguments):
        images = zip(arguments["input"].split(1), arguments["timestep"].split(1), strict=True)
        c = {name: value[:1] if isinstance(value, Tensor) else value for name, value in arguments["c"].items()}
        return torch.cat([apply_model(image, timestep, **c) for image, timestep in images])

    parted = flux.clone()
    parted.set_model_unet_function_wrapper(one_by_one)
    with pytest.raises(AttentionError, match="gets 1 latents at a time for 1 conditionings of 3 images"):
        sample(capture(parted)[0], prompt(), latent={"samples": torch.zeros(3, 16, 8, 12)})


def test_a_shortened_text_is_refused(capture, prompt, sample):
    short = [[text[:, :3], options] for text, options in prompt()]
    with pytest.raises(AttentionError, match="the model gets 3 text tokens only"):
        sample(capture()[0], short)


def test_steps_beyond_the_samplers_are_refused(capture, prompt, sample):
    with pytest.raises(AttentionError, match=r"starts at step 30, but the sampler has 2 steps"):
        sample(capture(steps=frozenset({30}))[0], prompt())


def test_another_model_family_is_refused(parts):
    from styleroute.nodes.maps.capture import block_counts

    with pytest.raises(StyleExpertError, match=r"The model is SD15 .* nodes work with FLUX.1 Kontext only"):
        block_counts(parts.random_model("SD15", parts.SD15))
