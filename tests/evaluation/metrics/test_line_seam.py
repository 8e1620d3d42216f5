import numpy as np
import pytest
from styleroute.evaluation.metrics import line_seam
from styleroute.evaluation.metrics.line_seam import largest_jump

STEP = 0.2


@pytest.fixture
def photo_pixels() -> np.ndarray:
    """A step of 0.2 between the rows 7 and 8, in a rectangular image."""
    image = np.full((16, 24, 3), 0.3)
    image[8:] += STEP
    return image


def test_the_largest_jump_is_of_rows_or_of_columns(photo_pixels: np.ndarray) -> None:
    assert largest_jump(photo_pixels) == pytest.approx(STEP)
    assert largest_jump(photo_pixels.transpose(1, 0, 2)) == pytest.approx(STEP)
    half = photo_pixels.copy()
    half[8:, 12:] -= STEP  # now the step is only in one half of the rows, and there is one between columns
    assert largest_jump(half) == pytest.approx(STEP / 2)


def test_a_result_like_its_target_has_no_seam(photo_pixels: np.ndarray) -> None:
    target = photo_pixels**0.55
    assert line_seam(photo_pixels, target, target) == 0
    assert line_seam(photo_pixels, target - 0.1, target) == pytest.approx(0, abs=1e-9)  # another brightness


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", [1, 4, 15])
def test_a_bar_counts_by_its_strength(photo_pixels: np.ndarray, axis: int, place: int) -> None:
    result = photo_pixels.copy()
    np.moveaxis(result, axis, 0)[place:] += 0.4
    assert line_seam(photo_pixels, result, photo_pixels) == pytest.approx(2)


def test_a_frame_counts_too(photo_pixels: np.ndarray) -> None:
    result = photo_pixels.copy()
    result[:2] = result[-2:] = 0
    assert line_seam(photo_pixels, result, photo_pixels) == pytest.approx(0.5 / STEP)


def test_bars_of_changing_sign_do_not_cancel(photo_pixels: np.ndarray) -> None:
    result = photo_pixels.copy()
    result[4:, ::2] += 0.1
    result[4:, 1::2] -= 0.1
    grey = np.full_like(photo_pixels, 0.5)
    assert line_seam(photo_pixels, result, photo_pixels) >= 0.1 / STEP
    assert line_seam(grey, grey, grey) == 0
    assert line_seam(grey, result, grey) == np.inf
