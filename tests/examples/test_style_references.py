"""Style References equals the stock nodes of the example workflow, for one and for several style images."""

import pytest
import torch


@pytest.fixture
def vae(loading):
    return loading.load_vae()


def stock_references(conditioning, vae, images, size: int):
    """ImageScale, VAEEncode and ReferenceLatent for each image, and then the reference method."""
    from comfy_extras.nodes_edit_model import ReferenceLatent
    from comfy_extras.nodes_flux import FluxKontextMultiReferenceLatentMethod

    import nodes

    for image in images:
        (scaled,) = nodes.ImageScale().upscale(image, "lanczos", size, size, "center")
        (latent,) = nodes.VAEEncode().encode(vae, scaled)
        conditioning = ReferenceLatent.execute(conditioning, latent).result[0]
    return FluxKontextMultiReferenceLatentMethod.execute(conditioning, "index").result[0]


@pytest.fixture
def prompt():
    """A prompt with the latent of a content image of 64 x 64 pixels."""
    content = torch.randn(1, 16, 8, 8)
    return [[torch.randn(1, 32, 128), {"pooled_output": torch.randn(1, 64), "reference_latents": [content]}]]


def test_it_equals_the_stock_nodes(prompt, vae):
    from styleroute.nodes.styles.style_references import StyleReferences

    images = torch.rand(2, 100, 70, 3), torch.rand(1, 80, 120, 3)
    found = StyleReferences.execute(prompt, vae, images[0], image_3=images[1]).result[0]
    expected = stock_references(prompt, vae, [*images[0].split(1), images[1]], 64)
    assert found[0][1]["reference_latents_method"] == expected[0][1]["reference_latents_method"] == "index"
    latents, stock = (entry[0][1]["reference_latents"] for entry in (found, expected))
    assert len(latents) == len(stock) == 4
    for one, other in zip(latents, stock, strict=True):
        assert torch.equal(one, other)
    assert len(prompt[0][1]["reference_latents"]) == 1  # the input is unchanged


def test_without_a_content_image_the_style_keeps_its_size(prompt, vae):
    from styleroute.nodes.styles.style_references import StyleReferences

    alone = [[prompt[0][0], {"pooled_output": prompt[0][1]["pooled_output"]}]]
    (latent,) = StyleReferences.execute(alone, vae, torch.rand(1, 70, 100, 4)).result[0][0][1]["reference_latents"]
    assert latent.shape == (1, 16, 8, 12)


def test_several_references_are_sampled(prompt, vae, loading):
    from styleroute.nodes.styles.style_references import StyleReferences

    import nodes

    model = loading.load_model()
    latent = {"samples": torch.zeros(1, 16, 8, 8)}

    def sample(positive):
        (out,) = nodes.common_ksampler(model, 3, 1, 1.0, "euler", "simple", positive, positive, latent)
        return out["samples"]

    one = StyleReferences.execute(prompt, vae, torch.rand(1, 64, 64, 3)).result[0]
    two = StyleReferences.execute(one, vae, torch.rand(1, 64, 64, 3)).result[0]
    results = [sample(positive) for positive in (prompt, one, two)]
    assert all(result.isfinite().all() for result in results)
    assert not torch.allclose(results[0], results[1], atol=1e-4)
    assert not torch.allclose(results[1], results[2], atol=1e-4)


def test_the_vae_of_another_family_is_refused(prompt):
    from types import SimpleNamespace

    from styleroute.moe import StyleExpertError
    from styleroute.nodes.styles.style_references import StyleReferences

    with pytest.raises(StyleExpertError, match="makes latents of 4 channels, expected 16"):
        StyleReferences.execute(prompt, SimpleNamespace(latent_channels=4), torch.rand(1, 64, 64, 3))
