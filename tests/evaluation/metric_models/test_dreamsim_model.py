"""DreamSim: the real package with a small network where it is installed, and its missing parts as one sentence."""

import importlib.util
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import DreamSimModel
from styleroute.evaluation.metric_models.dreamsim_model import FILES, dreamsim_problem
from styleroute.evaluation.metrics import dreamsim_distance
from torch.nn import functional

INSTALLED = importlib.util.find_spec("dreamsim") is not None
WIDTH, VECTOR = 32, 24


class MeanColour(torch.nn.Module):
    """A stand-in for DreamSim's network: the cosine distance of mean colours."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return 1 - functional.cosine_similarity(first.mean((2, 3)), second.mean((2, 3)))


@pytest.fixture
def by_colour() -> DreamSimModel:
    from torchvision.transforms.functional import resize, to_tensor

    return DreamSimModel(MeanColour(), lambda image: to_tensor(resize(image, [224, 224]))[None], "cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DreamSim on CLIP ViT-B/32 in the package's own layout and classes, with a small width."""
    package = pytest.importorskip("dreamsim")
    from dreamsim.feature_extraction import load_clip_as_dino
    from dreamsim.feature_extraction.vision_transformer import VisionTransformer
    from peft import LoraConfig, get_peft_model

    small = partial(VisionTransformer, embed_dim=WIDTH, depth=2, num_heads=2, qkv_bias=True)
    monkeypatch.setattr(load_clip_as_dino, "vit_base", small)
    torch.manual_seed(0)
    tower = small(patch_size=32)
    tower.pos_drop = torch.nn.LayerNorm(WIDTH)
    state = {key: torch.randn_like(value) * 0.2 for key, value in tower.state_dict().items()}
    torch.save({"state_dict": {**state, "proj": torch.randn(WIDTH, VECTOR)}}, tmp_path / "clip_vitb32_pretrain.pth.tar")
    model = package.PerceptualModel(
        "clip_vitb32", "embedding", "32", lora=True, load_dir=str(tmp_path), normalize_embeds=True, device="cpu"
    )
    lora = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["qkv"], init_lora_weights=False))
    lora.save_pretrained(tmp_path / "clip_vitb32_single_lora")
    return tmp_path


def check(model: DreamSimModel, images: list[np.ndarray]) -> None:
    np.testing.assert_allclose(dreamsim_distance(images, images, model), 0, atol=1e-5)
    slight, strong = (
        dreamsim_distance([_noisy(one, share) for one in images], images, model).mean() for share in (0.1, 0.9)
    )
    assert 0 < slight < strong
    others = images[::-1]
    together = dreamsim_distance(images, others, model)
    assert together[0] == pytest.approx(together[2], abs=1e-5)
    alone = [dreamsim_distance([one], [other], model)[0] for one, other in zip(images, others, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_allclose(dreamsim_distance(images, others, model), together, atol=0.05)


def _noisy(image: np.ndarray, share: float) -> np.ndarray:
    noise = np.random.default_rng(3).uniform(0, 255, image.shape)
    return (image * (1 - share) + noise * share).astype(np.uint8)


def test_the_distance_is_zero_for_equal_images_and_grows_with_noise(by_colour, metric_images) -> None:
    check(by_colour, [metric_images[0], metric_images[1], np.full((64, 64, 3), (250, 10, 10), np.uint8)])
    assert dreamsim_distance([], [], by_colour).shape == (0,)


def test_the_packages_network_gives_its_own_distance(folder: Path, metric_images) -> None:
    from dreamsim import dreamsim

    hub = torch.hub.get_dir()
    model = DreamSimModel.load(folder, device="cpu", kind="clip_vitb32")
    assert torch.hub.get_dir() == hub
    network, preprocess = dreamsim(True, "cpu", str(folder), True, "clip_vitb32")
    from PIL import Image

    pixels = [preprocess(Image.fromarray(image)) for image in metric_images[:2]]
    expected = network(pixels[0], pixels[1]).item()
    assert model.distances(metric_images[:1], metric_images[1:2]).item() == pytest.approx(expected, abs=1e-5)
    check(model, metric_images)


@pytest.mark.skipif(INSTALLED, reason="the package is installed")
def test_without_the_package_the_sentence_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"The package dreamsim is missing: run `pip install dreamsim`, .*about 2 GB.* from https"
    ):
        DreamSimModel.load(tmp_path)


def test_missing_files_are_named_with_their_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    problem = dreamsim_problem(folder=tmp_path) or ""
    assert f"{tmp_path}/dreamsim_ensemble has no dino_vitb16_pretrain.pth, " in problem
    assert "about 2 GB" in problem
    assert "https://github.com/ssundaram21/dreamsim/releases" in problem
    for file in FILES["ensemble"]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert dreamsim_problem(tmp_path) is None
    assert "the DreamSim kind 'other', expected ensemble" in (dreamsim_problem(tmp_path, kind="other") or "")
