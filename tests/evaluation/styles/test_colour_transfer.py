import numpy as np
from styleroute.evaluation.styles.colour_transfer import transfer_colour


def two_greys(dark: int, bright: int) -> np.ndarray:
    """Left half dark, right half bright, [16, 16, 3]."""
    image = np.full((16, 16, 3), dark, dtype=np.uint8)
    image[:, 8:] = bright
    return image


def test_two_greys_become_the_styles_two_greys() -> None:
    # Mean and standard deviation determine two values with equal shares, so the answer is exact.
    result = transfer_colour(two_greys(100, 150), two_greys(40, 220))
    np.testing.assert_allclose(result.astype(int), two_greys(40, 220), atol=1)


def test_an_image_keeps_its_own_colours() -> None:
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(transfer_colour(image, image).astype(int), image, atol=1)


def test_a_flat_photo_takes_the_mean_colour() -> None:
    flat, style = np.full((16, 16, 3), 90, dtype=np.uint8), np.full((16, 16, 3), (200, 80, 40), dtype=np.uint8)
    np.testing.assert_allclose(transfer_colour(flat, style).astype(int), style, atol=1)
