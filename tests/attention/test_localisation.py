"""Scores of a map against its mask: analytic answers, constant maps, ties, small objects, empty masks, batches."""

import math

import pytest
import torch
from styleroute.attention.localisation import map_iou, object_cells, pointing, share_inside

CORNER = torch.zeros(4, 4)
CORNER[:2, :2] = 1.0
"""An object that covers the 4 cells of a corner, a quarter of the image."""


def test_a_map_of_the_object_scores_1():
    for score in (share_inside, map_iou, pointing):
        assert score(CORNER, CORNER).item() == 1


def test_a_map_beside_the_object_scores_0():
    for score in (share_inside, map_iou, pointing):
        assert score(CORNER.flip(0), CORNER).item() == 0


def test_a_constant_map():
    """It scores the object's area; no cell is above Otsu's threshold, and all cells tie for the strongest."""
    constant = torch.full((4, 4), 0.3)
    assert share_inside(constant, CORNER).item() == pytest.approx(0.25)
    assert map_iou(constant, CORNER).item() == 0
    assert pointing(constant, CORNER).item() == pytest.approx(0.25)


def test_share_inside_weights_cells_by_their_coverage():
    maps, masks = torch.tensor([[3.0, 1.0]]), torch.tensor([[0.5, 1.0]])
    assert share_inside(maps, masks).item() == pytest.approx((3 * 0.5 + 1) / 4)


def test_a_map_of_zeros_has_no_attention_inside():
    assert share_inside(torch.zeros(4, 4), CORNER).item() == 0


def test_iou_of_a_map_that_is_partly_right():
    maps = torch.zeros(4, 4)
    maps[:2, 1:3] = 1.0
    assert map_iou(maps, CORNER).item() == pytest.approx(2 / 6)


def test_ties_count_by_the_share_of_the_objects_cells():
    maps = torch.zeros(4, 4)
    maps[0, 0] = maps[3, 3] = 2.0
    assert pointing(maps, CORNER).item() == pytest.approx(0.5)


def test_an_object_smaller_than_half_a_cell_still_has_cells():
    masks = torch.zeros(4, 4)
    masks[0, 0], masks[0, 1], masks[0, 2] = 0.2, 0.1, 0.09
    assert object_cells(masks).nonzero().tolist() == [[0, 0], [0, 1]]


def test_an_empty_mask_gives_nan_and_leaves_the_other_scores():
    masks = torch.stack([CORNER, torch.zeros(4, 4)])
    maps = torch.stack([CORNER, CORNER])
    for score in (share_inside, map_iou, pointing):
        first, second = score(maps, masks).tolist()
        assert first == 1
        assert math.isnan(second)
        assert score(maps, masks).nanmean().item() == 1


@pytest.mark.parametrize("score", [share_inside, map_iou, pointing])
def test_a_batch_scores_like_its_samples(score):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 3, 5, 7, generator=generator)
    masks = (torch.rand(2, 1, 5, 7, generator=generator) - 0.3).clamp_min(0)
    batch = score(maps, masks)
    assert batch.shape == (2, 3)
    single = [[score(maps[i, j], masks[i, 0]) for j in range(3)] for i in range(2)]
    torch.testing.assert_close(batch, torch.tensor(single))


def test_masks_of_another_type_are_accepted():
    assert share_inside(CORNER.double(), CORNER.bool()).dtype == torch.float64
    assert map_iou(CORNER, CORNER.bool()).item() == 1
