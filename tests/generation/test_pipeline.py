"""The pipeline with style references on a random Kontext in diffusers' layout, and the lines of Python in the docs."""

import re
from pathlib import Path

import pytest
import torch
from diffusers import FluxKontextPipeline
from PIL import Image
from styleroute.errors import TrainingError
from styleroute.flux.layer_names import all_layers, layer_shape
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.generation import StyleKontextPipeline, kontext_noise, load_kontext, load_vision
from styleroute.generation.pipeline import PREFERRED, nearest_size
from styleroute.moe import EncoderConfig, ExpertConfig, StyleEncoder, StyleExpertError, save_expert
from styleroute.paths import PACK

PAGE = PACK / "docs" / "without-comfyui.md"
CONFIG = ExpertConfig(kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=2.0, cond_dim=48)
ENCODER = EncoderConfig(
    taps=(-1, -3), num_queries=3, num_tokens=64, hidden_size=192, proj_dim=8, cond_dim=48, vision_model="tiny"
)


@pytest.fixture(scope="module")
def pipeline(kontext_folder: Path) -> StyleKontextPipeline:
    loaded = load_kontext(str(kontext_folder), dtype=torch.float32)
    loaded.sizes, loaded.text_tokens = ((64, 48), (48, 64)), 16
    loaded.set_progress_bar_config(disable=True)
    return loaded


def noise_image(seed: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    pixels = torch.randint(0, 256, (*size[::-1], 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


def latents_of(pipeline: StyleKontextPipeline, *styles: Image.Image, **options) -> torch.Tensor:
    options = {"num_inference_steps": 1, "latents": kontext_noise(1, 64, 48), "output_type": "latent"} | options
    return pipeline.stylise(noise_image(0), "a b", styles, **options).images


def test_without_style_images_it_is_diffusers_pipeline(pipeline: StyleKontextPipeline):
    stock = FluxKontextPipeline(**pipeline.components)
    stock.set_progress_bar_config(disable=True)
    size = {"width": 64, "height": 48, "_auto_resize": False, "max_area": 64 * 48}
    expected = stock(
        noise_image(0),
        "a b",
        num_inference_steps=1,
        latents=kontext_noise(1, 64, 48),
        output_type="latent",
        max_sequence_length=16,
        **size,
    ).images
    assert torch.equal(latents_of(pipeline), expected)


@torch.no_grad()
@pytest.mark.parametrize("rows", [0, 64])
def test_style_images_are_references_as_in_training(pipeline: StyleKontextPipeline, rows: int):
    """One Euler step from pure noise to 0 subtracts the velocity that the trainers' function predicts."""
    styles = [noise_image(1), noise_image(2)]
    found = latents_of(pipeline, *styles, style_rows=rows, guidance_scale=2.0)
    encoded = [
        pipeline._encode_vae_image(pipeline.image_processor.preprocess(image), generator=None)
        for image in (noise_image(0), *styles)
    ]
    content, first, second = encoded
    references = [Reference(content), Reference(first, 2, (rows, 0)), Reference(second, 3, (rows, 0))]
    text, pooled, _ = pipeline.encode_prompt("a b", None, max_sequence_length=16)
    noise = torch.randn(1, 16, 6, 8, generator=torch.Generator().manual_seed(1))
    velocity = predict_velocity(
        pipeline.transformer, noise, references, torch.ones(1), (text, pooled), torch.full((1,), 2.0)
    )
    from styleroute.flux.latents import pack

    torch.testing.assert_close(found, pack(noise - velocity), atol=1e-5, rtol=1e-5)


def test_style_images_do_not_stay_for_the_next_call(pipeline: StyleKontextPipeline):
    before = latents_of(pipeline)
    assert not torch.equal(latents_of(pipeline, noise_image(1)), before)
    assert torch.equal(latents_of(pipeline), before)
    with pytest.raises(ValueError, match="callback"):
        latents_of(pipeline, noise_image(1), callback_on_step_end_tensor_inputs=["none"])
    assert torch.equal(latents_of(pipeline), before)


def test_several_images_per_prompt(pipeline: StyleKontextPipeline):
    one = latents_of(pipeline, noise_image(1))
    two = latents_of(
        pipeline, noise_image(1), num_images_per_prompt=2, latents=kontext_noise(1, 64, 48).expand(2, -1, -1)
    )
    torch.testing.assert_close(two, one.expand(2, -1, -1), atol=1e-5, rtol=1e-5)


def test_the_trained_size_nearest_to_the_proportions():
    assert nearest_size(Image.new("RGB", (500, 500)), PREFERRED) == (1024, 1024)
    assert nearest_size(Image.new("RGB", (1920, 1080)), PREFERRED) == (1392, 752)
    assert all(width % 16 == height % 16 == 0 for width, height in PREFERRED)


def test_a_folder_without_a_kontext_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match="is no diffusers pipeline"):
        load_kontext(str(tmp_path))


def test_a_vision_model_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StyleExpertError, match="nobody/nothing was found neither here nor on Hugging Face"):
        load_vision("nobody/nothing")


def write_experts(path: Path) -> None:
    """Experts for every layer of the random Kontext, whose hidden size is 32."""
    experts = {}
    for layer in all_layers(1, 1):
        out, inp = layer_shape(layer, 32)
        shapes = {"loraA": (4, 2, inp), "loraB": (4, out, 2), "shared_A": (1, 2, inp), "shared_B": (1, out, 2)}
        for name, shape in (shapes | {"cond_gate.weight": (4, 48)}).items():
            experts[f"{layer}.lora_layer.{name}"] = torch.randn(shape) * 0.2
    save_expert(path, experts, CONFIG, StyleEncoder(ENCODER).state_dict(), ENCODER)


def test_the_ten_lines_of_the_docs_run(kontext_folder: Path, tmp_path: Path, monkeypatch):
    (lines,) = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(lines.strip().splitlines()) == 10
    for name, own in {
        "google/siglip-so400m-patch14-384": "tiny",
        "black-forest-labs/FLUX.1-Kontext-dev": str(kontext_folder),
        '"cuda"': '"cpu"',
        "guidance_scale=3.5": "guidance_scale=3.5, num_inference_steps=1",
    }.items():
        assert name in lines
        lines = lines.replace(name, own)
    monkeypatch.chdir(tmp_path)
    noise_image(0, (96, 96)).save("content.png")
    noise_image(1, (96, 64)).save("style.png")
    write_experts(tmp_path / "experts.safetensors")
    exec(compile(lines, PAGE, "exec"), {})
    assert Image.open("result.png").size == (1024, 1024)
