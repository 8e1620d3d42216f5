"""`styleroute bake`: styles from images and saved files become the LoRA that Save Style as LoRA writes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from styleroute.cli import main
from styleroute.moe import StyleExpert, load_style
from styleroute.moe.baking import encode_style
from styleroute.moe.lora import lora_state
from styleroute.moe.mixing import mix
from styleroute.moe.siglip import load_siglip
from styleroute.paths import PACK, TINY_MODELS
from styleroute.storage.image_tensor import read_image_tensor

EXPERTS = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
REGION = TINY_MODELS / "style_experts" / "indigo-dots.safetensors"
OIL, COMIC = PACK / "assets" / "style_unseen_autumn_oil.png", PACK / "assets" / "style_ink_comic.png"


def bake(*arguments: str | Path) -> int:
    return main(["bake", *map(str, arguments)])


@pytest.fixture(scope="module")
def expert() -> StyleExpert:
    return StyleExpert.open(EXPERTS)


@pytest.fixture(scope="module")
def embeddings(expert: StyleExpert) -> torch.Tensor:
    """The styles of both images, [2, cond_dim]."""
    tower = load_siglip(TINY_MODELS / "siglip.safetensors")
    return torch.cat([encode_style(expert, tower, [read_image_tensor(path)]).embedding for path in (OIL, COMIC)])


def require_lora(path: Path, expert: StyleExpert, embedding: torch.Tensor, strength: float = 1.0) -> None:
    expected, found = lora_state(expert.collapse(embedding, strength)), load_file(path)
    assert found.keys() == expected.keys()
    for key, weight in expected.items():
        torch.testing.assert_close(found[key], weight, atol=1e-6, rtol=1e-5)


def test_one_image(tmp_path: Path, expert, embeddings, capsys: pytest.CaptureFixture):
    target = tmp_path / "oil.safetensors"
    assert bake(EXPERTS, target, "--style", OIL, "--strength", "0.8", "--precision", "float32") == 0
    require_lora(target, expert, embeddings[:1], 0.8)
    shown = capsys.readouterr().out
    assert "Put it into models/loras" in shown
    assert "needs the style image as a second reference" in shown
    with safe_open(target, "pt") as file:
        assert file.metadata()["source"] == "tiny_styles.safetensors"
        assert file.metadata()["style_reference"] == "true"


def test_the_mean_of_images_and_a_weighted_mix(tmp_path: Path, expert, embeddings):
    target = tmp_path / "mean.safetensors"
    assert bake(EXPERTS, target, "--style", OIL, COMIC, "--precision", "float32") == 0
    require_lora(target, expert, embeddings.mean(0, keepdim=True))
    assert bake(EXPERTS, target, "--style", OIL, COMIC, "--weight", "1.5", "-0.5", "--precision", "float32") == 0
    require_lora(target, expert, mix(embeddings, (1.5, -0.5)))


def test_a_saved_style_needs_no_vision_model_and_mixes_with_an_image(tmp_path: Path, expert, embeddings):
    saved, first, second = (tmp_path / f"{name}.safetensors" for name in ("saved", "first", "second"))
    assert bake(EXPERTS, first, "--style", OIL, "--save-style", saved, "--name", "Oil", "--precision", "float32") == 0
    assert load_style(saved).name == "Oil"
    assert bake(EXPERTS, second, "--style", saved, "--precision", "float32", "--vision", tmp_path / "none") == 0
    assert load_file(first).keys() == load_file(second).keys()
    require_lora(second, expert, embeddings[:1])
    mixed = tmp_path / "mixed.safetensors"
    arguments = ("--style", saved, COMIC, "--weight", "3", "1", "--precision", "float32", "--save-style", first)
    assert bake(EXPERTS, mixed, *arguments) == 0
    require_lora(mixed, expert, mix(embeddings, (3, 1)))
    assert load_style(first).name == "3 Oil + 1 style_ink_comic"


def test_a_plain_lora_is_baked_without_a_style(tmp_path: Path):
    target = tmp_path / "half.safetensors"
    assert bake(REGION, target, "--strength", "0.5", "--precision", "float32") == 0
    pairs = StyleExpert.open(REGION).collapse(None)
    layer = next(iter(pairs))
    found = load_file(target)
    product = found[f"transformer.{layer}.lora_B.weight"] @ found[f"transformer.{layer}.lora_A.weight"]
    torch.testing.assert_close(product, 0.5 * pairs[layer].up @ pairs[layer].down)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["target.safetensors"], "needs a style to choose among its 16 experts"),
        (["target.png", "--style", OIL], "expected a name that ends in .safetensors"),
        (["none/target.safetensors", "--style", OIL], "does not exist. Create it first"),
        (["target.safetensors", "--style", OIL, "--weight", "1", "2"], "There are 2 weights for 1 styles"),
        (["target.safetensors", "--style", OIL, COMIC, "--weight", "1", "-1"], "a sum above 0"),
        (["target.safetensors", "--style", "none.png"], "There is no image"),
        (["target.safetensors", "--style", "none.safetensors"], "cannot be read"),
        (["target.safetensors", "--style", EXPERTS], "is no style file"),
        (["target.safetensors", "--style", OIL, "--vision", REGION], "is no SigLIP vision model"),
        (["target.safetensors", "--style", OIL, "--strength", "nan"], "The strength is nan"),
        (["target.safetensors", "--style", OIL, "--save-style", "target.safetensors"], "named twice"),
    ],
)
def test_faults_are_one_sentence_and_write_nothing(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture, arguments: list, sentence: str
):
    monkeypatch.chdir(tmp_path)
    assert bake(EXPERTS, *arguments) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_style_of_another_encoder_and_a_style_for_a_plain_lora_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    from styleroute.moe import Style, save_style

    saved, target = tmp_path / "saved.safetensors", tmp_path / "target.safetensors"
    save_style(saved, Style(torch.ones(1, 384), 1, "0123456789abcdef"))
    assert bake(EXPERTS, target, "--style", saved) == 1
    assert "comes from the style encoder 0123456789abcdef" in capsys.readouterr().err
    assert bake(REGION, target, "--style", saved) == 1
    assert "is a plain LoRA of one style. Leave out the styles" in capsys.readouterr().err
    assert bake(saved, target, "--style", saved) == 1
    assert not target.exists()


def test_the_vision_model_is_found_in_comfyuis_folder(tmp_path: Path, monkeypatch):
    """Experts of a vision model with another name: its file is searched in models/clip_vision."""
    from styleroute.cli import bake as command

    monkeypatch.setattr(command, "TINY_SIGLIP", "another name")
    monkeypatch.setattr(command, "CLIP_VISION", tmp_path)
    assert bake(EXPERTS, tmp_path / "oil.safetensors", "--style", OIL) == 1
    shutil.copy(TINY_MODELS / "siglip.safetensors", tmp_path / "the tiny SigLIP of the demo pack")
    assert bake(EXPERTS, tmp_path / "oil.safetensors", "--style", OIL) == 0


def test_the_folder_bakes_with_comfyuis_python(tmp_path: Path, bare_environment: dict[str, str]) -> None:
    command = [sys.executable, str(PACK), "bake", str(EXPERTS), str(tmp_path / "oil.safetensors"), "--style", str(OIL)]
    done = subprocess.run(command, env=bare_environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "oil.safetensors").is_file()
