"""The preview's factors: exact where colours are linear in the latents, and written with ComfyUI's names."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from styleroute.dataset.photos import Photo
from styleroute.training.tiny.preview_factors import fit_preview, reduce_to_latents
from torch import Tensor
from torchvision.transforms.functional import to_tensor


@pytest.fixture
def linear() -> SimpleNamespace:
    """An encoder whose first three channels mix the mean colours, and whose other channels are noise."""
    mixture = torch.tensor([[0.6, -0.3, 0.1], [0.2, 0.9, -0.4], [-0.5, 0.3, 0.8]])
    generator = torch.Generator().manual_seed(0)

    def encode(images: Tensor) -> Tensor:
        colours = torch.einsum("bchw,cr->brhw", reduce_to_latents(images) - 0.4, mixture)
        noise = torch.randn(len(images), 13, *colours.shape[-2:], generator=generator)
        return torch.cat([colours, noise], dim=1)

    return SimpleNamespace(encode=encode)


def test_colours_that_are_linear_in_the_latents_are_found(linear: SimpleNamespace, photo: Photo) -> None:
    preview = fit_preview(linear, [photo.pixels])
    assert (preview.factors.shape, preview.bias.shape) == ((16, 3), (3,))
    assert preview.factors[3:].abs().max() < 1e-4
    other = to_tensor(np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8))[None]
    torch.testing.assert_close(preview.show(linear.encode(other)), reduce_to_latents(other), rtol=0, atol=1e-4)


def test_the_middle_of_each_image_is_used(photo: Photo) -> None:
    seen = []

    def encode(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[-2:]))
        return reduce_to_latents(images).repeat(1, 6, 1, 1)[:, :16]

    small = np.random.default_rng(1).integers(0, 255, (203, 197, 3), dtype=np.uint8)
    preview = fit_preview(SimpleNamespace(encode=encode), [photo.pixels, small])
    assert seen == [(256, 256), (200, 192)]
    assert preview.factors.isfinite().all()  # although the channels repeat each other


def test_the_metadata_have_comfyuis_names_and_shapes(linear: SimpleNamespace, photo: Photo) -> None:
    preview = fit_preview(linear, [photo.pixels])
    [text] = preview.metadata().values()
    entry = json.loads(text)
    assert np.array(entry["latent_rgb_factors"]).shape == (16, 3)
    np.testing.assert_allclose(entry["latent_rgb_factors_bias"], preview.bias.numpy(), atol=1e-4)
    assert len(text) < 2000
