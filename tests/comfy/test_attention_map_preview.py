"""Attention Map Preview: images and masks of the right number and size."""

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.attention import AttentionError

STYLE = {"span": "style", "step": "mean", "block": "mean", "colour_map": "fire", "opacity": 0.6}


@pytest.fixture
def maps(flux, sample, prompt):
    """Maps of two images, three steps and three blocks."""
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    model, maps = CaptureAttention.execute(flux, prompt()).result
    sample(model, prompt(), latent={"samples": torch.zeros(2, 16, 8, 12)}, steps=3)
    return maps


@pytest.fixture
def preview(parts, tmp_path, monkeypatch):
    import folder_paths
    from styleroute.nodes.maps.attention_map_preview import AttentionMapPreview

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    return lambda maps, image, **changes: AttentionMapPreview.execute(maps, image, **(STYLE | changes))


def test_the_batch_with_its_maps(preview, maps):
    image = torch.rand(2, 64, 96, 3)
    output = preview(maps, image)
    images, masks = output.result
    assert images.shape == (2, 64, 96, 3)
    assert masks.shape == (2, 64, 96)
    assert 0 <= images.min() <= images.max() <= 1
    assert not torch.allclose(images, image)
    assert len(output.ui["images"]) == 2
    assert output.ui["text"][0].startswith("style: mosaic: ")
    assert "contrast 0." in output.ui["text"][0]


def test_the_shown_image_has_a_caption_that_the_output_lacks(preview, maps, tmp_path):
    output = preview(maps, torch.rand(2, 192, 256, 3), step="each")
    images = output.result[0]
    assert len(output.ui["images"]) == len(images) == 6
    captions = []
    for name, image in zip(output.ui["images"], images, strict=True):
        shown = torch.from_numpy(np.array(Image.open(tmp_path / name["subfolder"] / name["filename"]))) / 255
        torch.testing.assert_close(shown[:192], image, atol=1 / 255, rtol=0)
        captions.append(shown[192:])
    assert all((caption > 0.8).any() and caption.median() < 0.2 for caption in captions)
    assert len({caption.numpy().tobytes() for caption in captions}) >= 3  # captions of different steps differ
    assert len({name["filename"] for name in output.ui["images"]}) == 6


def test_the_mask_equals_the_samplers(preview, maps):
    from styleroute.nodes.maps.region_mask import region_mask

    masks = preview(maps, torch.rand(2, 64, 96, 3)).result[1]
    torch.testing.assert_close(masks, region_mask(maps, "style", (64, 96)))


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"step": "each"}, 3),
        ({"block": "each"}, 3),
        ({"span": "each"}, 2),
        ({"step": "each", "block": "each", "span": "each"}, 18),
        ({"step": "last", "phrase": "guitar"}, 1),
    ],
)
def test_each_as_a_batch(preview, maps, changes, count):
    images, masks = preview(maps, torch.rand(1, 64, 96, 3), **changes).result
    assert len(images) == len(masks) == 2 * count


@pytest.mark.parametrize("size", [(64, 96), (63, 97), (256, 384), (20, 10)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_size(preview, maps, size, channels):
    images, masks = preview(maps, torch.rand(1, *size, channels)).result
    assert images.shape == (2, *size, 3)
    assert masks.shape == (2, *size)


def test_opacity_zero_is_the_image(preview, maps):
    image = torch.rand(2, 64, 96, 3)
    assert torch.equal(preview(maps, image, opacity=0.0).result[0], image)


@pytest.mark.parametrize(("colour_map", "opacity"), [("ice", 0.25), ("grey", 1.0), ("fire", 0.6)])
def test_the_chosen_colours_lie_over_the_image(preview, maps, colour_map, opacity):
    from styleroute.nodes.maps.overlay import overlay_heat
    from styleroute.nodes.maps.region_mask import region_heat

    image = torch.rand(2, 64, 96, 3)
    images = preview(maps, image, colour_map=colour_map, opacity=opacity).result[0]
    expected = overlay_heat(image, region_heat(maps, "style", (64, 96)), colour_map, opacity)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_another_number_of_images_is_refused(preview, maps):
    with pytest.raises(AttentionError, match="made 2 images, but 3 images are connected"):
        preview(maps, torch.rand(3, 64, 96, 3))


def test_maps_that_were_not_filled_are_refused(flux, prompt, preview):
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    _, maps = CaptureAttention.execute(flux, prompt()).result
    with pytest.raises(AttentionError, match="No attention map was captured"):
        preview(maps, torch.rand(1, 64, 96, 3))


def test_capture_refuses_a_prompt_without_phrases(flux, plain):
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    with pytest.raises(AttentionError, match="Encode the prompt with Region Style Prompt"):
        CaptureAttention.execute(flux, plain("make the guitar in mosaic style"))


@pytest.mark.parametrize("check", [0, 1, 5, 6, 9])
def test_an_interrupt_ends_the_preview(preview, maps, tmp_path, monkeypatch, check):
    """Interrupts while six maps are coloured (checks 0 to 5), or while their images are saved (checks 6 to 11)."""
    from comfy.model_management import InterruptProcessingException
    from styleroute.nodes.maps import attention_map_preview

    checks = []

    def interrupted():
        checks.append(1)
        if len(checks) > check:
            raise InterruptProcessingException

    monkeypatch.setattr(attention_map_preview, "stop_if_interrupted", interrupted)
    with pytest.raises(InterruptProcessingException):
        preview(maps, torch.rand(1, 64, 96, 3), step="each", phrase="guitar")
    assert len(list(tmp_path.rglob("*.png"))) == max(check - 6, 0)
