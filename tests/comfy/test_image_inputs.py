"""IMAGE inputs in every form that a link may carry: half precision, grey, grey with alpha, alpha, wrong shapes, NaN."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.moe import StyleExpertError

LAYOUTS = {1: [0, 0, 0], 2: [0, 0, 0], 3: [0, 1, 2], 4: [0, 1, 2]}
"""For each number of channels, the channels that are read as red, green and blue."""
PREVIEW = {"span": "style", "step": "mean", "block": "mean", "colour_map": "fire", "opacity": 0.6}


@pytest.fixture
def encode(style_expert, siglip):
    from styleroute.nodes.styles.encode_style import EncodeStyle

    return lambda image: EncodeStyle.execute(style_expert, siglip, image).result[0].embedding


@pytest.fixture
def preview(flux, sample, prompt, parts, tmp_path, monkeypatch):
    import folder_paths
    from styleroute.nodes.maps.attention_map_preview import AttentionMapPreview
    from styleroute.nodes.maps.capture_attention import CaptureAttention

    monkeypatch.setattr(folder_paths, "get_temp_directory", lambda: str(tmp_path))
    model, maps = CaptureAttention.execute(flux, prompt()).result
    sample(model, prompt(), steps=1)
    return lambda image: AttentionMapPreview.execute(maps, image, **PREVIEW).result


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_as_float32(encode, preview, dtype):
    image = torch.rand(1, 40, 60, 3).to(dtype)
    torch.testing.assert_close(encode(image), encode(image.float()))
    images, masks = preview(image)
    assert images.dtype == masks.dtype == torch.float32
    torch.testing.assert_close(images, preview(image.float())[0])


@pytest.mark.parametrize("channels", LAYOUTS)
def test_grey_and_alpha(encode, preview, channels):
    image = torch.rand(1, 40, 60, channels)
    rgb = image[..., LAYOUTS[channels]]
    torch.testing.assert_close(encode(image), encode(rgb))
    assert torch.equal(preview(image)[0], preview(rgb)[0])


@pytest.mark.parametrize("shape", [(40, 60, 3), (0, 40, 60, 3), (1, 40, 60, 0), (1, 40, 60, 5), (1, 1, 40, 60, 3)])
def test_wrong_shapes_are_refused(encode, preview, shape):
    for use, error in ((encode, StyleExpertError), (preview, AttentionError)):
        with pytest.raises(
            error, match=r"'image' has the shape \[.*\] and .* expected \[images, height, width, 1 to 4 chan"
        ):
            use(torch.rand(shape))


def test_a_style_image_that_is_not_finite_is_refused(encode):
    image = torch.rand(1, 40, 60, 3)
    image[0, 3, 3, 1] = torch.nan
    with pytest.raises(StyleExpertError, match="'image' has values that are not finite"):
        encode(image)
