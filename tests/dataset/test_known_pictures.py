"""The same picture under several names."""

from io import BytesIO

import numpy as np
from PIL import Image
from styleroute.dataset.known_pictures import KnownPictures


def _picture(seed: int, side: int = 96) -> np.ndarray:
    """Soft blobs, as a photo has."""
    noise = np.random.default_rng(seed).integers(60, 200, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC))


def _compressed(pixels: np.ndarray) -> np.ndarray:
    Image.fromarray(pixels).save(file := BytesIO(), format="JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_copies_of_a_picture_have_its_first_name_and_other_pictures_their_own() -> None:
    known = KnownPictures()
    for number in range(100):
        assert known.first_name(f"photo {number}", _picture(number)) == f"photo {number}"
    assert known.first_name("photo 7", _picture(7)) == "photo 7"
    assert known.first_name("copy", _compressed(_picture(7))) == "photo 7"
    assert known.first_name("smaller", np.asarray(Image.fromarray(_picture(99)).resize((64, 64)))) == "photo 99"
    brighter = (_picture(7) * 0.9).astype(np.uint8)
    assert known.first_name("darker", brighter) == "darker"
