"""COCO's run lengths and polygons, against an encoder that is written from the format's description."""

import numpy as np
import pytest
from styleroute.dataset.segmentation.coco_masks import decode_mask
from styleroute.errors import DataError

from .folders import runs_of


def packed(runs: list[int]) -> str:
    """Run lengths as COCO's text."""
    letters = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            done = value == (-1 if bits & 16 else 0)
            letters.append(chr(48 + (bits if done else bits | 32)))
            if done:
                break
    return "".join(letters)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pack", [list, packed], ids=["numbers", "text"])
def test_run_lengths_give_the_mask_back(seed: int, pack) -> None:
    coarse = np.random.default_rng(seed).random((7, 5)) > 0.5
    mask = coarse.repeat(11, axis=0).repeat(23, axis=1)
    mask[3:5, ::2] = True
    segmentation = {"size": list(mask.shape), "counts": pack(runs_of(mask))}
    np.testing.assert_array_equal(decode_mask(segmentation, *mask.shape), mask)


def test_a_known_text_of_cocos_own_tool() -> None:
    """A mask of 4 x 3 pixels with the middle column inside: runs 4, 4, 4."""
    assert decode_mask({"size": [4, 3], "counts": "444"}, 4, 3).tolist() == [[False, True, False]] * 4


def test_several_polygons_are_one_mask() -> None:
    mask = decode_mask([[0, 0, 4, 0, 4, 4, 0, 4], [6, 6, 10, 6, 10, 10, 6, 10]], 12, 12)
    expected = np.zeros((12, 12), bool)
    expected[:4, :4] = expected[6:10, 6:10] = True
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (None, "it is a NoneType"),
        ([], "it has no polygon"),
        ([[1, 2, 3, 4]], "a polygon has 4 numbers"),
        ([[0, 0, 1, float("nan"), 2, 2]], "not finite"),
        ({"counts": [16]}, "size"),
        ({"size": [4, 4], "counts": [15]}, "its runs cover 15 of 16 pixels"),
        ({"size": [2, 8], "counts": [16]}, r"its size is \[2, 8\], the image's is \[4, 4\]"),
        ({"size": [4, 4], "counts": "é"}, "not in its alphabet"),
        ({"size": [4, 4], "counts": "P"}, "ends within a number"),
    ],
)
def test_a_damaged_segmentation_is_refused(segmentation: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decode_mask(segmentation, 4, 4)
