"""The small Kontext that ships with the pack, as a base model."""

import pytest
import torch
from styleroute.comfy_client import find_comfyui
from styleroute.errors import ComfyNotFound
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.training.bases import load_base
from styleroute.training.bases.tiny import TinyBase


def test_every_part_works_and_fits_the_others() -> None:
    try:
        find_comfyui()  # the tokenizers are in its folder
    except ComfyNotFound as error:
        pytest.skip(str(error))
    base = load_base("tiny")
    latents = base.encode(torch.rand(2, 3, 64, 64))
    assert latents.shape == (2, 16, 8, 8)
    assert latents.dtype == torch.float32
    images = base.decode(latents)
    assert images.shape == (2, 3, 64, 64)
    assert (images >= 0).all()
    assert (images <= 1).all()
    states, pooled = base.encode_prompts(["a photo", "a photo of a guitar"])
    assert (*states.shape[1:], pooled.shape[1]) == base.text_sizes
    with torch.no_grad():
        velocity = predict_velocity(
            base.transformer(), latents, [Reference(latents)], torch.ones(2), (states, pooled), torch.ones(2)
        )
    assert velocity.shape == latents.shape
    assert velocity.isfinite().all()


def test_the_identity_follows_the_weight_files(tmp_path) -> None:
    empty = TinyBase(tmp_path).identity
    (tmp_path / "vae.safetensors").write_bytes(b"weights")
    assert TinyBase(tmp_path).identity != empty
