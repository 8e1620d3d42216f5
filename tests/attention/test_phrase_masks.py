"""Masks of several phrases share the image, keep soft edges, and are empty for even maps."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.attention.phrase_masks import MaskRule, attention_strength, phrase_masks

HARD = MaskRule(smoothing=0, softness=0.01, feather=0)


def maps_of(*boxes: tuple[int, int], background: float = 0.1) -> torch.Tensor:
    """Maps [P, 8, 12], each 1 in the columns of its box and `background` elsewhere."""
    maps = torch.full((len(boxes), 8, 12), background)
    for index, (start, end) in enumerate(boxes):
        maps[index, :, start:end] = 1
    return maps


def test_a_mask_is_the_object_of_its_phrase():
    masks = phrase_masks(maps_of((0, 4), (7, 12)), HARD)
    assert torch.equal(masks.round(), (maps_of((0, 4), (7, 12)) == 1).float())


def test_two_phrases_never_own_the_same_cell():
    maps = torch.rand(3, 2, 8, 12, generator=torch.Generator().manual_seed(0))
    masks = phrase_masks(maps, MaskRule(grow=2, feather=1))
    assert masks.shape == maps.shape
    assert masks.min() >= 0
    assert masks.sum(dim=1).max() <= 1 + 1e-6


def test_an_overlap_belongs_to_the_phrase_that_is_further_above_its_threshold():
    maps = maps_of((0, 8), (4, 12))
    maps[1, :, 4:8] = 0.5
    masks = phrase_masks(maps, HARD)
    assert (masks[0, :, 4:8] > 0.9).all()
    assert (masks[1, :, 4:8] < 0.1).all()


def test_the_masks_do_not_depend_on_the_scale_of_a_map():
    maps = torch.rand(2, 8, 12, generator=torch.Generator().manual_seed(1))
    scaled = maps * torch.tensor([1e-4, 30.0])[:, None, None]
    torch.testing.assert_close(phrase_masks(scaled), phrase_masks(maps), rtol=1e-4, atol=1e-5)


def test_a_cell_at_the_threshold_is_half():
    maps = torch.linspace(0.1, 1, 96).view(1, 8, 12)
    masks = phrase_masks(maps, MaskRule(threshold=0.5, smoothing=0, feather=0))
    below, above = masks.flatten()[maps.flatten().argsort()][[46, 49]]
    assert below < 0.5 < above
    assert above - below < 0.3


def test_an_even_map_has_no_mask():
    assert not phrase_masks(torch.full((2, 8, 12), 0.3)).any()
    assert not phrase_masks(torch.zeros(2, 8, 12)).any()


@pytest.mark.parametrize(("grow", "columns"), [(0, 4), (1, 6), (-1, 2)])
def test_grow_moves_the_edge(grow, columns):
    masks = phrase_masks(maps_of((4, 8)), MaskRule(smoothing=0, softness=0.01, feather=0, grow=grow))
    assert (masks[0, 4] > 0.5).sum() == columns


def test_each_phrase_has_its_own_rule():
    maps = maps_of((0, 4), (8, 12))
    masks = phrase_masks(maps, [HARD, MaskRule(smoothing=0, softness=0.01, feather=0, grow=1)])
    assert (masks[0, 4] > 0.5).sum() == 4
    assert (masks[1, 4] > 0.5).sum() == 5


def test_feather_softens_the_edge():
    row = phrase_masks(maps_of((4, 8)), MaskRule(smoothing=0, softness=0.01, feather=1))[0, 4]
    assert 0 < row[3] < row[4] < 1


@pytest.mark.parametrize("settings", [{"smoothing": -1}, {"feather": -1}, {"softness": 0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(AttentionError, match="expected 0 or more"):
        MaskRule(**settings)


def test_a_bad_threshold_is_refused():
    with pytest.raises(AttentionError, match='expected "otsu" or a quantile'):
        phrase_masks(maps_of((0, 4)), MaskRule(threshold=2.0))


def test_the_strength_of_a_map_does_not_depend_on_the_number_of_tokens():
    few = torch.full((1, 8, 8), 1 / 64)
    few[0, :2, :2] = 4 / 64
    many = few.repeat_interleave(2, -1).repeat_interleave(2, -2) / 4  # four times as many tokens share the attention
    torch.testing.assert_close(attention_strength(few, 64), torch.tensor([4.0]))
    torch.testing.assert_close(attention_strength(many, 256), attention_strength(few, 64))
    torch.testing.assert_close(attention_strength(torch.full((8, 8), 1 / 100), 100), torch.tensor(1.0))
