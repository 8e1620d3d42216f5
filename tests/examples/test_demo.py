"""The demo command runs the example workflows in a real ComfyUI, on random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.cli import main
from styleroute.demo.demo import Demo
from styleroute.flux.layer_names import all_layers, layer_shape
from styleroute.moe import EncoderConfig, ExpertConfig, StyleEncoder, save_expert
from styleroute.paths import PACK

pytestmark = pytest.mark.comfy

CONFIG = ExpertConfig(kind="style-moe", num_experts=4, rank=4, shared_rank=4, top_k=2, alpha=4.0, cond_dim=384)
ENCODER = EncoderConfig(
    taps=(-2, -3, -5),
    num_queries=4,
    num_tokens=64,
    hidden_size=192,
    proj_dim=32,
    cond_dim=384,
    vision_model="siglip.safetensors",
)


@pytest.fixture
def models(reference, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the demo pack's models, with random experts for every linear layer."""
    monkeypatch.setenv("TINY_KONTEXT_MODELS", str(reference.folder))
    (reference.folder / "style_experts").mkdir(exist_ok=True)
    shapes = {}
    for layer in all_layers(3, 6):
        out, inp = layer_shape(layer, 256)
        shapes[f"{layer}.lora_layer.loraA"] = (4, 4, inp)
        shapes[f"{layer}.lora_layer.loraB"] = (4, out, 4)
        shapes[f"{layer}.lora_layer.shared_A"] = (1, 4, inp)
        shapes[f"{layer}.lora_layer.shared_B"] = (1, out, 4)
        shapes[f"{layer}.lora_layer.cond_gate.weight"] = (4, 384)
    experts = {key: torch.randn(shape) * 0.1 for key, shape in shapes.items()}
    path = reference.folder / "style_experts" / "tiny_styles.safetensors"
    save_expert(path, experts, CONFIG, StyleEncoder(ENCODER).state_dict(), encoder_config=ENCODER)
    return reference.folder


def test_the_style_demo_writes_its_images(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    photo, style = tmp_path / "photo.jpg", tmp_path / "style.png"
    Image.linear_gradient("L").resize((300, 200)).save(photo)
    Image.radial_gradient("L").convert("RGBA").save(style)
    command = ["demo", "--photo", str(photo), "--style", str(style), "--output", str(tmp_path / "out")]
    assert main(command) == 0, capsys.readouterr().err
    images = {file.stem: Image.open(file) for file in (tmp_path / "out").glob("*.png")}
    assert images.keys() == {"content", "style", "result", "routing", "contact_sheet"}
    assert all(images[name].size == (256, 256) for name in ("content", "style", "result"))
    assert np.asarray(images["result"]).std() > 1
    assert images["contact_sheet"].width > 3 * 256


def test_a_missing_expert_file_is_named(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    (models / "style_experts" / "tiny_styles.safetensors").unlink()
    assert main(["demo", "--output", str(tmp_path)]) == 1
    assert "Expert file 'tiny_styles.safetensors' was not found" in capsys.readouterr().err


def write_region_expert(models: Path, style: str = "ink comic") -> Path:
    """A RegionRoute LoRA on the first block's queries."""
    layer, config = "transformer.transformer_blocks.0.attn.to_q", ExpertConfig.plain_lora(4)
    lora = {f"{layer}.lora_A.weight": torch.randn(4, 256), f"{layer}.lora_B.weight": torch.randn(256, 4)}
    path = models / "style_experts" / f"{style.replace(' ', '-')}.safetensors"
    save_expert(path, lora, config, None, None, {"style": style})
    return path


def test_the_region_demo_writes_its_images(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    expert = write_region_expert(models)
    command = ["demo", "--region", "the guitar", "--region-style", "Ink-Comic", "--output", str(tmp_path / "out")]
    assert main(command) == 0, capsys.readouterr().err
    images = {file.stem: Image.open(file) for file in (tmp_path / "out").glob("*.png")}
    assert images.keys() == {"content", "map", "result", "contact_sheet"}
    assert all(images[name].size == (256, 256) for name in ("content", "result"))
    assert images["map"].width == 256
    assert images["map"].height > 256  # its caption stands below
    assert np.asarray(images["result"]).std() > 1
    expert.unlink()


def test_the_objects_demo_writes_its_images(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    styles = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for index, style in enumerate(styles):
        Image.radial_gradient("L").rotate(30 * index).convert("RGB").save(style)
    pairs = [f"{thing}={style}" for thing, style in zip(("the guitar", "an owl", "the cat"), styles, strict=True)]
    assert main(["demo", "--objects", *pairs, "--output", str(tmp_path / "out")]) == 0, capsys.readouterr().err
    images = {file.stem: Image.open(file) for file in (tmp_path / "out").glob("*.png")}
    assert images.keys() == {"content", "style_1", "style_2", "style_3", "result", "contact_sheet"}
    assert images["result"].size == (256, 256)
    assert np.asarray(images["result"]).std() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objects", "the guitar"], "Found 'the guitar' in --objects, expected an object and a style image"),
        (["--objects", "the owl=a.png", "--region", "the owl"], "Give --objects without --region and --style"),
        (["--objects", "the owl=a.png", "--style", "b.png"], "Give --objects without --region and --style"),
    ],
)
def test_objects_that_make_no_demo_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], message: str
):
    assert main(["demo", *options, "--output", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_style_without_region_expert_is_refused(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    command = ["demo", "--region", "the guitar", "--region-style", "woven", "--output", str(tmp_path / "out")]
    assert main(command) == 1
    assert "There is no region expert in" in capsys.readouterr().err
    expert = write_region_expert(models)
    assert main(command) == 1
    assert "No region expert of the style 'woven' ships with this pack, only 'ink comic'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    expert.unlink()


def test_the_workflow_for_ksampler_runs(models: Path, tmp_path: Path):
    demo = Demo(
        workflow=PACK / "example_workflows" / "style_transfer_ksampler.json",
        images={"content": Image.linear_gradient("L"), "style": Image.radial_gradient("L")},
        loaders={"content": "Photo", "style": "Style image"},
        values={"KSampler": {"steps": 2}},
        results={"result": "Result"},
    )
    result = demo.run(tmp_path)["result"]
    assert result.size == (256, 256)
    assert np.asarray(result).std() > 1
