import numpy as np
import pytest
from styleroute.evaluation.metrics import psnr


def test_psnr_is_minus_ten_log_of_the_mean_squared_error() -> None:
    target = np.full((4, 4, 3), 0.5)
    result = target.copy()
    result[:2] += 0.1
    top = np.zeros((4, 4))
    top[:2] = 1
    assert psnr(result, target, top) == pytest.approx(20, abs=1e-3)
    assert psnr(result, target) == pytest.approx(20 + 10 * np.log10(2), abs=1e-3)
    # Half weight on the wrong quarter of the remaining image: (4 x 0.01 x 0.5) / (4 x 0.5 + 8).
    soft = np.concatenate([np.zeros((1, 4)), np.full((1, 4), 0.5), np.ones((2, 4))])
    assert psnr(result, target, soft) == pytest.approx(-10 * np.log10(0.01 * 2 / 10), abs=1e-3)


def test_equal_images_score_100_db() -> None:
    image = np.full((4, 4, 3), 0.5)
    assert psnr(image, image) == pytest.approx(100)
