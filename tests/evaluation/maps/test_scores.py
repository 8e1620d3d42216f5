"""Scores of maps: analytic values, and the search for the best blocks."""

import math

import pytest
import torch
from styleroute.attention.phrase_masks import phrase_masks
from styleroute.evaluation.maps.capturing import KINDS
from styleroute.evaluation.maps.scores import MeasuredMaps, nearer_to_own
from torch import Tensor

ATTENTION, NOISE = KINDS[0], 0.5
LEFT, RIGHT = torch.zeros(4, 4), torch.zeros(4, 4)
LEFT[1:3, 0], RIGHT[1:3, 3] = 1, 1
MASKS = torch.stack([LEFT, RIGHT])


def _measured(**maps: Tensor) -> MeasuredMaps:
    """One scene of two objects; a map [2, 4, 4] for each block."""
    measured = MeasuredMaps(tuple(name.replace("_", " ") for name in maps))
    measured.add((ATTENTION, 2, NOISE), torch.stack(list(maps.values())), MASKS)
    return measured


def test_maps_of_their_own_objects_are_perfect_and_swapped_maps_are_not() -> None:
    measured = _measured(single_0=MASKS + 0.01, single_1=MASKS.flip(0) + 0.01)
    right, wrong = (measured.figures(ATTENTION, [block], NOISE) for block in measured.blocks)
    assert (right.iou, right.own) == (1, 1)
    assert right.inside == pytest.approx(2.02 / 2.16, abs=1e-3)
    assert (wrong.iou, wrong.own) == (0, 0)
    assert (right.score, wrong.score) == (1, 0)


def test_the_masks_are_those_of_the_nodes() -> None:
    """Smoothing, threshold and shares of `phrase_masks`, and half of a cell at least."""
    generator = torch.Generator().manual_seed(0)
    maps, masks = torch.rand(2, 16, 16, generator=generator) * 0.2, torch.zeros(2, 16, 16)
    masks[0, 2:7, 2:7], masks[1, 9:14, 9:14] = 1, 1
    measured = MeasuredMaps(("single 0",))
    measured.add((ATTENTION, 2, NOISE), (maps + masks)[None], masks)
    found = phrase_masks(maps + masks) >= 0.5
    expected = ((found & (masks > 0)).sum((1, 2)) / (found | (masks > 0)).sum((1, 2))).mean()
    assert measured.figures(ATTENTION, ["single 0"], NOISE).mask == pytest.approx(expected.item(), abs=1e-3)
    assert expected > 0.8


def test_a_phrase_with_more_attention_is_not_nearer_everywhere() -> None:
    strong = torch.stack([10 * (LEFT + 0.1), RIGHT + 0.1])
    assert nearer_to_own(strong, MASKS).tolist() == [1, 1]
    assert nearer_to_own(strong[[0, 0]], MASKS).tolist() == [0, 0]
    assert math.isnan(nearer_to_own(strong[:1], MASKS[:1]).item())


def test_cells_of_both_objects_do_not_count() -> None:
    masks = torch.stack([LEFT, LEFT + RIGHT])
    maps = torch.stack([torch.zeros(4, 4) + 0.1, RIGHT + 0.1])
    first, second = nearer_to_own(maps, masks).tolist()
    assert math.isnan(first)
    assert second == 1


def test_scenes_of_one_object_have_no_own_share() -> None:
    measured = MeasuredMaps(("single 0",))
    measured.add((ATTENTION, 1, NOISE), (LEFT + 0.01)[None, None], LEFT[None])
    figures = measured.figures(ATTENTION, ["single 0"], NOISE)
    assert math.isnan(figures.own)
    assert figures.score == figures.iou == 1


def test_blocks_are_added_as_long_as_the_mean_map_improves() -> None:
    """Each of two blocks finds one object only; the third finds none."""
    flat = torch.full((4, 4), 0.05)
    first, second = torch.stack([LEFT, flat]), torch.stack([flat, RIGHT])
    noise = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    measured = _measured(double_0=noise, single_0=second, single_1=first)
    assert measured.best_blocks(ATTENTION) == ("single 0", "single 1")
    assert measured.score(ATTENTION, ("single 0", "single 1")) > measured.score(ATTENTION, ("single 0",))


def test_a_single_good_block_stays_alone() -> None:
    measured = _measured(double_0=MASKS + 0.01, single_0=2 * (MASKS + 0.01))
    assert len(measured.best_blocks(ATTENTION)) == 1


def test_the_attention_of_many_tokens_survives_half_precision() -> None:
    measured = MeasuredMaps(("single 0",))
    masks = torch.zeros(2, 64, 64)
    masks[0, :8, :8], masks[1, 32:40, 32:40] = 1, 1
    measured.add((ATTENTION, 2, NOISE), ((masks + 0.1) * 1e-7)[None], masks)
    assert measured.figures(ATTENTION, ["single 0"], NOISE).iou == 1


def test_words_that_attract_less_than_nearly_all_objects_count_as_absent() -> None:
    """The strength is the level of the strongest cells, in units of an even share; here 3 to 60 with 16 text tokens."""
    measured = MeasuredMaps(("single 0",))
    for height in range(1, 21):
        measured.add((ATTENTION, 1, NOISE), torch.full((1, 1, 4, 4), height / 16), LEFT[None])
    assert measured.least_attention(ATTENTION, ["single 0"], 16) == pytest.approx(3 * 1.95)
