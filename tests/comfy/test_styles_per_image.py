"""A batch whose images have a style each."""

import pytest
import torch
from styleroute.moe import StyleExpertError

PER_IMAGE = "one style per image"
LATENT = {"samples": torch.zeros(3, 16, 8, 12)}


@pytest.fixture
def styles(parts, style_expert, siglip):
    """The STYLE of three images together, and the STYLE of each image alone."""
    from styleroute.nodes.styles.encode_style import EncodeStyle

    images = torch.rand(3, 40, 60, 3, generator=torch.Generator().manual_seed(2))
    together = EncodeStyle.execute(style_expert, siglip, images, combine=PER_IMAGE).result[0]
    return together, [EncodeStyle.execute(style_expert, siglip, image[None]).result[0] for image in images]


@pytest.fixture
def apply(parts):
    from styleroute.nodes.styles.moe_apply import MoEApply

    return lambda *inputs, **settings: MoEApply.execute(*inputs, **settings).result


@pytest.mark.parametrize("cfg", [1.0, 2.0])
def test_each_image_has_its_own_style(apply, styles, flux, style_expert, prompt, with_reference, sample, cfg):
    together, alone = styles
    positive = with_reference(prompt(), 10, 6)
    found = sample(apply(flux, style_expert, 1.0, together)[0], positive, latent=LATENT, cfg=cfg)
    for index, style in enumerate(alone):
        one = apply(flux, style_expert, 1.0, style)[0]
        expected = sample(one, positive, latent=LATENT, cfg=cfg)[index]
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-4)
    assert not flux.patches


def test_each_image_has_its_own_mask_and_style(apply, styles, flux, style_expert, prompt, sample):
    together, alone = styles
    masks = torch.zeros(3, 64, 96)
    for index in range(3):
        masks[index, :, 32 * index : 32 * (index + 1)] = 1
    found = sample(apply(flux, style_expert, 1.0, together, mask=masks)[0], prompt(), latent=LATENT)
    for index, style in enumerate(alone):
        one = apply(flux, style_expert, 1.0, style, mask=masks[index : index + 1])[0]
        expected = sample(one, prompt(), latent=LATENT)[index]
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-4)


def test_the_styles_share_one_reference(apply, styles, flux, style_expert, prompt, sample):
    """A batch of style references has one place among the references: image i reads style image i."""
    together, alone = styles
    references = torch.randn(3, 16, 8, 12, generator=torch.Generator().manual_seed(5))
    content = torch.zeros(1, 16, 8, 12)

    def with_references(styles_shown):
        return [[text, {**options, "reference_latents": [content, styles_shown]}] for text, options in prompt()]

    found = sample(apply(flux, style_expert, 1.0, together)[0], with_references(references), latent=LATENT)
    for index, style in enumerate(alone):
        one = apply(flux, style_expert, 1.0, style)[0]
        expected = sample(one, with_references(references[index : index + 1]), latent=LATENT)[index]
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-4)


def test_the_number_of_styles_must_fit(apply, styles, flux, style_expert, prompt, sample):
    model = apply(flux, style_expert, 1.0, styles[0])[0]
    with pytest.raises(StyleExpertError, match="Found 3 styles for 1 images"):
        sample(model, prompt())


def test_the_method_patch_is_refused(apply, styles, flux, style_expert):
    with pytest.raises(StyleExpertError, match="one style per image was given"):
        apply(flux, style_expert, 1.0, styles[0], method="patch")


def test_the_routing_preview_has_one_chart_for_each_style(apply, styles, flux, style_expert):
    from styleroute.nodes.styles.routing_chart import routing_chart

    together, alone = styles
    charts = routing_chart(apply(flux, style_expert, 1.0, together)[1])
    for chart, style in zip(charts, alone, strict=True):
        assert torch.equal(chart[None], routing_chart(apply(flux, style_expert, 1.0, style)[1]))
