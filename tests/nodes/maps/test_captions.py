"""Captions below images are readable, complete and never wider than the image."""

import pytest
import torch
from styleroute.nodes.maps.captions import BACKGROUND, caption, captioned
from torch import Tensor

LONG = "object: the man with the red hat and the long black coat who stands before the old harbour in the early morning"
PLACE = "step 27, single 37: contrast 0.83 (weak)"


def ink(strip: Tensor) -> Tensor:
    """Mask of the text pixels, [h, w]."""
    return (strip - torch.tensor(BACKGROUND) / 255).abs().amax(-1) > 0.3


def lines(strip: Tensor) -> list[int]:
    """Heights of the lines of text, in pixels."""
    rows = ink(strip).any(1).int()
    edges = torch.diff(rows, prepend=rows.new_zeros(1), append=rows.new_zeros(1)).nonzero().flatten()
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize("width", [256, 512, 1024, 2048])
def test_captions_are_readable_at_any_width(width):
    """A node is about 300 pixels wide: letters must be 7 pixels high or more, and the strip 50 pixels or less."""
    strip = caption(width, ["style: mosaic", PLACE])
    shown = 300 / width
    assert len(lines(strip)) == 2
    assert min(lines(strip)) * shown >= 7
    assert len(strip) * shown <= 50
    assert ink(strip).any(0).nonzero().max() < width - 1


@pytest.mark.parametrize("width", [64, 256, 1024])
@pytest.mark.parametrize("phrase", [LONG, "a" * 300])
def test_long_phrases_are_cut_and_the_rest_is_not(width, phrase):
    strip, alone = caption(width, [phrase, PLACE]), caption(width, [PLACE])
    assert not ink(strip)[:, -1].any()
    assert len(lines(strip)) <= 2 + len(lines(alone))
    # The last lines name the step, the block and the percentage, without a cut.
    assert torch.equal(ink(strip)[-len(alone) + 8 :], ink(alone)[8:])


def test_different_texts_look_different():
    assert not torch.equal(caption(256, ["contrast 0.83"]), caption(256, ["contrast 0.38"]))


def test_empty_paragraphs_take_no_line():
    assert torch.equal(caption(256, ["", "contrast 0.83"]), caption(256, ["contrast 0.83"]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_image_stays_the_same(dtype):
    image = torch.rand(40, 256, 3).to(dtype)
    found = captioned(image, ["style: mosaic"])
    assert found.dtype == dtype
    assert torch.equal(found[:40], image)
    assert ink(found[40:].float()).any()
