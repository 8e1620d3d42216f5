"""One image per method through a real ComfyUI; the second reference against the sampler of the training code."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.evaluation.styles.comfy_generator import StyleGenerator, open_style_generator
from styleroute.evaluation.styles.jobs import StyleJob
from styleroute.evaluation.styles.methods import StyleMethod
from styleroute.evaluation.styles.sampling import Sampling
from styleroute.evaluation.styles.shared_expert import write_shared_expert
from styleroute.flux.velocity import Reference
from styleroute.moe import ExpertConfig, save_expert
from styleroute.paths import TINY_MODELS
from styleroute.training.adapters.sampling import sample
from styleroute.training.bases import load_base
from styleroute.training.experts.routed_linear import AdapterConfig, BatchStyle, add_experts, trained_state

pytestmark = pytest.mark.comfy
STEPS, SEED, SIDE = 2, 3, 256
SAMPLING = Sampling(STEPS)
SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture(scope="module")
def generator() -> Iterator[StyleGenerator]:
    """A real server."""
    with open_style_generator() as generator:
        yield generator


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    """A photo and a style image of 256 x 256."""
    rng = np.random.default_rng(0)
    paths = tmp_path / "photo.png", tmp_path / "style.png"
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((256, 256)).save(path)
    return paths


def test_the_shipped_experts_and_pooled_routing_generate_different_images(generator, images, write_moe) -> None:
    content, style = images
    methods = (
        StyleMethod("wide", SHIPPED, "style-encoder", style_reference=True, sampling=SAMPLING),
        StyleMethod("pooled", write_moe(), "pooled-latents", sampling=SAMPLING),
    )
    results = [generator(StyleJob(method, content, style, "a photo", SEED, SIDE)) for method in methods]
    assert [result.size for result in results] == [(SIDE, SIDE)] * 2
    assert np.abs(np.asarray(results[0], float) - np.asarray(results[1])).mean() > 1


def test_each_wrong_input_changes_the_image_and_the_job_sets_the_size(generator, images, tmp_path) -> None:
    content, style = images
    other = tmp_path / "stripes.png"
    Image.fromarray(np.tile(np.array([[[10, 20, 90]] * 8 + [[0, 0, 0]] * 8], np.uint8), (256, 16, 1))).save(other)
    full = StyleMethod("full", SHIPPED, "style-encoder", style_reference=True, sampling=SAMPLING)
    shared = replace(full, file=write_shared_expert(SHIPPED, tmp_path), condition="none")
    jobs = [
        StyleJob(full, content, style, "a photo", SEED, SIDE),
        StyleJob(full, content, style, "a photo", SEED, SIDE, reference=style),
        StyleJob(full, content, style, "a photo", SEED, SIDE, reference=other),
        StyleJob(full, content, other, "a photo", SEED, SIDE, reference=style),
        StyleJob(shared, content, style, "a photo", SEED, SIDE),
    ]
    own, same, *others = (np.asarray(generator(job), float) for job in jobs)
    assert np.array_equal(own, same)
    assert all(np.abs(own - image).mean() > 0.2 for image in others)
    assert generator(StyleJob(shared, content, style, "a photo", SEED, 384)).size == (384, 384)


@torch.no_grad()
def test_a_lora_with_the_style_image_generates_the_same_as_the_training_sampler(generator, images, tmp_path) -> None:
    base, rank = load_base("tiny"), 4
    transformer = base.transformer()
    adapter = AdapterConfig(experts=0, shared_rank=rank, alpha=rank, cond_dim=0)
    trained = trained_state(add_experts(transformer, BatchStyle(), adapter))
    for name, weight in trained.items():
        if name.endswith("shared_B"):
            weight.normal_(std=0.02)
    lora = {
        f"transformer.{layer}.lora_{part}.weight": weight[0].clone()
        for layer, part, weight in ((*name.split(".lora_layer.shared_"), weight) for name, weight in trained.items())
    }
    config = ExpertConfig.plain_lora(rank, base.name)
    save_expert(tmp_path / "lora.safetensors", lora, config, None)
    method = StyleMethod("single LoRA", tmp_path / "lora.safetensors", "none", style_reference=True, sampling=SAMPLING)
    found = generator(StyleJob(method, *images, "a photo of a cat", SEED, SIDE))

    pixels = [torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255 for path in images]
    content, style = (base.encode(part) for part in pixels)
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(SEED))
    references = [Reference(content), Reference.of_style(style, rows=0)]
    text = base.encode_prompts(["a photo of a cat"])
    expected = base.decode(sample(transformer, noise, references, text, 3.5, STEPS))[0].permute(1, 2, 0) * 255
    assert np.abs(np.asarray(found, float) - expected.numpy()).mean() < 2
    alone = base.decode(sample(transformer, noise, references[:1], text, 3.5, STEPS))[0].permute(1, 2, 0) * 255
    assert np.abs(np.asarray(found, float) - alone.numpy()).mean() > 4
