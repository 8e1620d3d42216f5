"""The calibration measures in diffusers' classes what the nodes capture in ComfyUI; stock ComfyUI loads its LoRA."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from styleroute.attention import resize
from styleroute.evaluation.maps.capturing import KINDS, MapReader
from styleroute.evaluation.maps.scenes import MapScene
from styleroute.moe import ExpertConfig, StyleExpert, save_expert
from styleroute.paths import PACK
from styleroute.training.bases import load_base
from styleroute.training.regions.grounding import write_prompt
from styleroute.training.regions.lora import add_lora
from styleroute.training.regions.spans import mention_span

SCENE = PACK / "assets" / "scene_guitar.png"
OBJECTS = ("guitar", "owl")


@pytest.fixture(scope="module")
def base():
    return load_base("tiny")


@pytest.fixture
def shipped(tiny_kontext, monkeypatch):
    """The demo pack with the repository's weights."""
    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    return tiny_kontext.loading


def _calibrated(base, pixels: np.ndarray, noise: torch.Tensor) -> torch.Tensor:
    """The attention maps [L, S, h, w] of the calibration at the highest noise level."""
    prompt, mentions = write_prompt(OBJECTS)
    spans = [mention_span(base.tokenizer, prompt, mention, (), 32).tokens for mention in mentions]
    scene = MapScene(pixels, prompt, spans, resize(torch.ones(2, *pixels.shape[:2]), (16, 16)))
    latents = base.encode(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    reader = MapReader(base.transformer(), torch.device("cpu"))
    return reader.read(scene, latents, base.encode_prompts([prompt]), noise, 1.0)[KINDS[0]]


def test_comfyui_captures_the_maps_that_the_calibration_measures(shipped, base) -> None:
    import comfy.sample
    from styleroute.attention.selection import all_blocks
    from styleroute.nodes.branch.named_objects import ObjectPhrase
    from styleroute.nodes.branch.object_maps import ObjectMaps
    from styleroute.nodes.maps.capture import block_counts, with_capture
    from styleroute.nodes.maps.recorded_maps import RecordedMaps
    from styleroute.nodes.regions.region_prompt import RegionPrompt

    import nodes

    pixels = np.array(Image.open(SCENE).convert("RGB").resize((256, 256)))
    reference = shipped.load_vae().encode(torch.from_numpy(pixels)[None].float() / 255)
    [[text, options]] = RegionPrompt.execute(shipped.load_clip(), "a guitar and an owl").result[0]
    positive = [[text, {**options, "guidance": 3.5, "reference_latents": [reference]}]]
    model, objects = shipped.load_model(), ObjectMaps(ObjectPhrase(name) for name in OBJECTS)
    blocks = all_blocks(block_counts(model))
    maps = RecordedMaps()  # keeps the maps of every block
    captured = with_capture(model, maps, blocks, None, find_spans=objects.find_spans)
    latent = {"samples": torch.zeros(1, 16, 32, 32)}
    nodes.common_ksampler(captured, 0, 1, 1.0, "euler", "simple", positive, positive, latent)

    expected = _calibrated(base, pixels, comfy.sample.prepare_noise(latent["samples"], 0))
    found = torch.stack([maps.read(0, name).values[0, :, 0] for name in maps.spans], dim=1)  # [L, S, h, w]
    torch.testing.assert_close(found / found.mean(), expected / expected.mean(), rtol=2e-2, atol=2e-2)


def test_stock_comfyui_and_our_nodes_load_a_grounding_lora(
    shipped, base, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import comfy.lora
    import comfy.sd
    from styleroute.nodes.model_patching import patch_keys

    lora = {name: torch.randn(weight.shape) for name, weight in add_lora(base.transformer(), rank=2).items()}
    file = tmp_path / "ground.safetensors"
    save_expert(file, lora, ExpertConfig.plain_lora(2, base.name), None, None, {"task": "ground"})
    model, expert = shipped.load_model(), StyleExpert.open(file)
    assert patch_keys(model, expert).keys() == set(expert.layers)
    with caplog.at_level(logging.WARNING):
        patched, _ = comfy.sd.load_lora_for_models(model, None, load_file(file), 1.0, 0.0)
    assert not [record for record in caplog.records if "lora" in record.getMessage().lower()]
    # q, k and v of a block are one weight in ComfyUI.
    assert sum(map(len, patched.patches.values())) == len(expert.layers) == 3 * 4 + 6 * 3
