"""ComfyUI's live preview of the small Kontext shows true colours, with the factors in the VAE's file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from styleroute.dataset.photos import _scikit_photos
from styleroute.paths import TINY_MODELS
from styleroute.training.tiny.preview_factors import METADATA_KEY, PreviewFactors, fit_preview
from styleroute.training.tiny.shipped import load_autoencoder
from torch import Tensor

UNSEEN = ("astronaut", "chelsea")
"""Photos that the fit does not see."""


@pytest.fixture(scope="module")
def factors() -> PreviewFactors:
    """Factors for the shipped VAE, fitted on the photos that the tests do not show."""
    return fit_preview(load_autoencoder(), [photo.pixels for photo in _scikit_photos() if photo.name not in UNSEEN])


@pytest.fixture
def write_models(reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a folder of random weights whose VAE has these metadata, and makes it the folder of the pack."""

    def write(metadata: dict[str, str]) -> None:
        folder = tmp_path / "models"
        shutil.copytree(reference.folder, folder)
        save_file(load_file(reference.folder / "vae.safetensors"), folder / "vae.safetensors", metadata)
        monkeypatch.setenv("TINY_KONTEXT_MODELS", str(folder))

    return write


def _preview(model, latents: Tensor) -> np.ndarray:
    """ComfyUI's own preview [h, w, 3] in 0..1 of latents [1, 16, h, w], as a sampler shows them."""
    import latent_preview
    from comfy.cli_args import LatentPreviewMethod, args

    before, args.preview_method = args.preview_method, LatentPreviewMethod.Auto
    try:
        previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    finally:
        args.preview_method = before
    assert isinstance(previewer, latent_preview.Latent2RGBPreviewer)
    _, image, _ = previewer.decode_latent_to_preview_image("JPEG", latents)
    return np.asarray(image, dtype=np.float32) / 255


@pytest.mark.parametrize("name", UNSEEN)
def test_the_preview_shows_the_colours_of_the_photo(tiny_kontext, write_models, factors, name: str) -> None:
    write_models(factors.metadata())
    model = tiny_kontext.loading.load_model()
    photo = next(photo for photo in _scikit_photos() if photo.name == name)
    image = Image.fromarray(photo.square(256))
    latents = load_autoencoder().encode(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255)
    shown = _preview(model, latents)
    true = np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float32) / 255
    psnr = -10 * np.log10(((shown - true) ** 2).mean())
    colours = [np.corrcoef(shown[..., channel].ravel(), true[..., channel].ravel())[0, 1] for channel in range(3)]
    print(f"preview of {name}: {psnr:.1f} dB, correlation of red, green and blue {np.round(colours, 2)}")
    assert psnr > 18
    assert np.corrcoef(shown.ravel(), true.ravel())[0, 1] > 0.85
    assert min(colours) > 0.7


def test_the_preview_of_the_method_taesd_shows_the_same_colours(tiny_kontext, write_models, factors) -> None:
    """The decoder taef1 belongs to FLUX's VAE, so its name is removed."""
    write_models(factors.metadata())
    assert tiny_kontext.loading.load_model().model.latent_format.taesd_decoder_name is None


def test_a_file_without_factors_keeps_those_of_flux(tiny_kontext, write_models) -> None:
    from comfy.latent_formats import Flux

    write_models({"format": "pt"})
    latent_format = tiny_kontext.loading.load_model().model.latent_format
    assert latent_format.latent_rgb_factors == Flux().latent_rgb_factors
    assert latent_format.taesd_decoder_name == Flux().taesd_decoder_name


def test_the_factors_belong_to_this_model_alone(tiny_kontext, write_models, factors) -> None:
    from comfy.latent_formats import Flux

    before = Flux().latent_rgb_factors
    write_models(factors.metadata())
    tiny_kontext.loading.load_model()
    assert Flux().latent_rgb_factors == before


GOOD = {"latent_rgb_factors": [[0.0, 0.0, 0.0]] * 16, "latent_rgb_factors_bias": [0, 0, 0]}


@pytest.mark.parametrize(
    "entry",
    [
        {**GOOD, "latent_rgb_factors": [[0.0, 0.0, 0.0]] * 4},
        {**GOOD, "latent_rgb_factors": [[0.0, 0.0]] * 16},
        {**GOOD, "latent_rgb_factors": "red"},
        {**GOOD, "latent_rgb_factors_bias": ["red", "green", "blue"]},
        {"latent_rgb_factors": GOOD["latent_rgb_factors"]},
        [],
    ],
)
def test_factors_that_do_not_fit_are_refused(tiny_kontext, write_models, entry) -> None:
    write_models({METADATA_KEY: json.dumps(entry)})
    with pytest.raises(ValueError, match=r"The preview factors in .*vae\.safetensors do not fit, expected 16 x 3"):
        tiny_kontext.loading.load_model()


def test_factors_that_are_no_json_are_refused(tiny_kontext, write_models) -> None:
    write_models({METADATA_KEY: "{"})
    with pytest.raises(ValueError, match=r"vae\.safetensors is broken .*\. Download the file again"):
        tiny_kontext.loading.load_model()


def test_the_shipped_model_loads_with_its_preview(tiny_kontext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    model = tiny_kontext.loading.load_model()
    assert np.array(model.model.latent_format.latent_rgb_factors).shape == (16, 3)
    assert (TINY_MODELS / "vae.safetensors").is_file()
