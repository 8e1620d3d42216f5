"""Unusual and wrong masks, phrases and styles: they work as one expects, or one sentence refuses them."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.moe import StyleExpert, StyleExpertError

from ..conftest import write_style_expert

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
TEXT = "make the guitar beside the other guitar in mosaic style"


@pytest.mark.parametrize(("height", "width"), [(8, 12), (16, 24), (640, 960), (64, 32)])
def test_a_mask_of_any_size_covers_the_whole_image(add_style, prompt, sample, halves, height, width):
    mask = torch.zeros(1, height, width)
    mask[..., : width // 2] = 1
    expected = sample(add_style(mask=halves[0]), prompt())
    torch.testing.assert_close(sample(add_style(mask=mask), prompt()), expected, **CLOSE)


def test_a_mask_with_values_out_of_range_is_clipped(add_style, prompt, sample, halves):
    expected = sample(add_style(mask=halves[0]), prompt())
    torch.testing.assert_close(sample(add_style(mask=halves[0] * 5 - 1), prompt()), expected, **CLOSE)


@pytest.mark.parametrize("count", [1, 2])
def test_empty_masks_of_a_batch(add_style, flux, prompt, sample, halves, count):
    masks, latent = (
        torch.cat([torch.zeros_like(halves[0]), halves[0]])[:count],
        {"samples": torch.zeros(2, 16, 8, 12)},
    )
    found = sample(add_style(mask=masks), prompt(), latent=latent)
    base = sample(flux, prompt(), latent=latent)
    torch.testing.assert_close(found[0], base[0], **CLOSE)
    assert torch.allclose(found[1], base[1], atol=1e-3) == (count == 1)


def test_overlapping_regions_add_up(add_style, flux, prompt, sample, halves):
    whole = torch.ones(1, 64, 96)
    whole[..., 95:] = 0.999  # a white mask would be the whole image, without a mask
    both = add_style(add_style(seed=1, mask=whole), seed=2, mask=halves[0])
    swapped = add_style(add_style(seed=2, mask=halves[0]), seed=1, mask=whole)
    found = sample(both, prompt())
    torch.testing.assert_close(sample(swapped, prompt()), found, **CLOSE)
    everywhere = add_style(add_style(seed=1), seed=2)
    patched = add_style(add_style(seed=1, method="patch"), seed=2, method="patch")
    full = add_style(add_style(seed=1, mask=torch.ones(1, 8, 8)), seed=2, mask=torch.ones(1, 4, 4))
    for model in (everywhere, full):
        torch.testing.assert_close(sample(model, prompt()), sample(patched, prompt()), **CLOSE)
    assert not torch.allclose(found, sample(add_style(seed=1), prompt()), atol=1e-3)


def test_a_phrase_twice_in_the_prompt_means_both(add_style, prompt, sample):
    positive = prompt(TEXT)
    twice = sample(add_style(object="guitar"), positive)
    assert not torch.equal(twice, sample(add_style(object="other guitar"), positive))
    assert torch.equal(twice, sample(add_style(object="the guitar"), positive))


@pytest.mark.parametrize("phrase", ["a dragon", "guita", "guitar in mosaic style mosaic", "\u200b", "(guitar"])
def test_a_phrase_that_is_not_in_the_prompt_is_refused(add_style, prompt, sample, phrase, untouched):
    with pytest.raises(AttentionError, match=r"is not in the prompt|phrase is empty\. Give words of the prompt"):
        sample(add_style(object=phrase), prompt())
    untouched()


def test_a_phrase_of_the_negative_prompt_only_is_refused(add_style, prompt, sample):
    with pytest.raises(AttentionError, match='"dragon" is not in the prompt'):
        sample(add_style(object="a dragon"), prompt(), prompt("a dragon"), cfg=2.0)


def test_an_empty_phrase_is_the_whole_image(add_style, prompt, sample):
    assert torch.equal(sample(add_style(object=" \n"), prompt()), sample(add_style(), prompt()))


def test_twelve_styles_on_twelve_objects(add_style, prompt, sample, flux):
    objects = ["guitar", "owl", "boat", "tree", "lamp", "chair", "apple", "clock", "house", "river", "cloud", "bridge"]
    positive = prompt("make " + " and ".join(f"the {name}" for name in objects) + " in mosaic style")
    model = flux
    for seed, name in enumerate(objects):
        model = add_style(model, seed=seed, object=f"the {name}")
    found = sample(model, positive)
    assert found.isfinite().all()
    assert not torch.allclose(found, sample(flux, positive), atol=1e-3)


@pytest.fixture
def other_expert(tmp_path) -> StyleExpert:
    """Experts whose encoder has other weights."""
    return StyleExpert.open(write_style_expert(tmp_path / "others.safetensors", seed=9))


def test_a_style_of_other_experts_is_refused(flux, other_expert, style_expert, method, untouched):
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    style = Style(torch.ones(1, 32), 1, encoder_id(other_expert.encoder))
    with pytest.raises(StyleExpertError, match="encoder"):
        MoEApply.execute(flux, style_expert, 1.0, style, method=method)
    untouched()


def test_experts_without_a_style_are_refused(flux, style_expert, method, untouched):
    from styleroute.nodes.styles.moe_apply import MoEApply

    with pytest.raises(StyleExpertError, match="no style is connected"):
        MoEApply.execute(flux, style_expert, 1.0, None, method=method)
    untouched()


def test_a_style_that_a_plain_lora_does_not_use_is_told(
    flux, style_expert, region_expert, method, prompt, sample, caplog
):
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    style = Style(torch.ones(1, 32), 1, encoder_id(style_expert.encoder))
    with_style, without = (
        MoEApply.execute(flux, region_expert, 1.0, each, method=method).result[0] for each in (style, None)
    )
    assert caplog.text.count("is a plain LoRA with one style of its own, so the connected style has no effect") == 1
    assert torch.equal(sample(with_style, prompt()), sample(without, prompt()))
