"""The same image under several names."""

from io import BytesIO

import numpy as np
from PIL import Image
from styleroute.dataset.known_images import KnownImages


def _image(seed: int, side: int = 96) -> np.ndarray:
    """Soft blobs, as a photo has."""
    noise = np.random.default_rng(seed).integers(60, 200, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC))


def _compressed(pixels: np.ndarray) -> np.ndarray:
    Image.fromarray(pixels).save(file := BytesIO(), format="JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_copies_of_a_image_have_its_first_name_and_other_images_their_own() -> None:
    known = KnownImages()
    for number in range(100):
        assert known.first_name(f"photo {number}", _image(number)) == f"photo {number}"
    assert known.first_name("photo 7", _image(7)) == "photo 7"
    assert known.first_name("copy", _compressed(_image(7))) == "photo 7"
    assert known.first_name("smaller", np.asarray(Image.fromarray(_image(99)).resize((64, 64)))) == "photo 99"
    brighter = (_image(7) * 0.9).astype(np.uint8)
    assert known.first_name("darker", brighter) == "darker"
