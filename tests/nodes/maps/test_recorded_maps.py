"""ATTENTION_MAPS: which maps are kept, shown and refused."""

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.nodes.maps.map_selection import MapChoice, chosen_maps
from styleroute.nodes.maps.recorded_maps import RecordedMaps
from styleroute.nodes.maps.region_mask import (
    ABSENT_CONTRAST,
    CLEAR_CONTRAST,
    has_region,
    map_contrast,
    region_heat,
    region_mask,
    to_image_size,
    weak_map_notice,
)
from styleroute.nodes.maps.region_spans import RegionSpan

GUITAR, MOSAIC = RegionSpan("guitar", "object", (3,)), RegionSpan("mosaic", "style", (5, 6))
OWL = RegionSpan("owl", "object", (9,))


def spot(height: int = 4, width: int = 6, row: int = 1, column: int = 1) -> torch.Tensor:
    """A map with strong attention in 2 x 2 cells and weak attention elsewhere."""
    cells = torch.full((height, width), 0.01)
    cells[row : row + 2, column : column + 2] = 1.0
    return cells


def recorded(keep: str = "steps and blocks", images: int = 1, spans=(GUITAR, MOSAIC)) -> RecordedMaps:
    """Maps of three steps and two blocks, all different."""
    maps = RecordedMaps(keep)
    maps.size = (8, 12)
    generator = torch.Generator().manual_seed(0)
    for image in range(images):
        for span in spans:
            for step in range(3):
                for block in ("double 0", "single 0"):
                    maps.add(image, span, step, block, spot() + 0.1 * torch.rand(4, 6, generator=generator))
    return maps


def test_the_running_mean_is_the_mean_of_all_kept_maps():
    maps = recorded()
    values = maps.read(0, MOSAIC.name).values
    assert values.shape == (3, 2, 1, 4, 6)
    torch.testing.assert_close(maps.mean(0, MOSAIC.name), values.mean(dim=(0, 1))[0])


@pytest.mark.parametrize(
    ("keep", "shape"),
    [("steps and blocks", (3, 2)), ("steps", (3, 1)), ("blocks", (1, 2)), ("mean only", (1, 1))],
)
def test_only_the_chosen_axes_are_kept(keep, shape):
    maps, whole = recorded(keep), recorded()
    assert maps.read(0, MOSAIC.name).values.shape[:2] == shape
    torch.testing.assert_close(maps.mean(0, MOSAIC.name), whole.mean(0, MOSAIC.name))


def test_empty_maps_are_refused():
    for read in (lambda maps: maps.read(0, "style: mosaic"), lambda maps: region_mask(maps, "style", (64, 96))):
        with pytest.raises(AttentionError, match="No attention map was captured"):
            read(RecordedMaps())
    with pytest.raises(AttentionError, match="No attention map was captured"):
        chosen_maps(RecordedMaps(), MapChoice())


def test_an_unknown_phrase_is_refused():
    with pytest.raises(AttentionError, match="No map of 'style: cubism' was captured for image 1"):
        recorded().read(0, "style: cubism")
    with pytest.raises(AttentionError, match=r"No map of 'banana' was captured\. Enter one of 'guitar', 'mosaic'"):
        chosen_maps(recorded(), MapChoice(phrase=" banana "))


def test_clear_removes_all_maps():
    maps = recorded()
    maps.clear()
    assert maps.images == 0
    assert not has_region(maps, "style")


@pytest.mark.parametrize(
    ("choice", "labels"),
    [
        (MapChoice(), ["style: mosaic"]),
        (MapChoice(span="both"), ["object: guitar and style: mosaic"]),
        (MapChoice(span="each"), ["object: guitar", "style: mosaic"]),
        (MapChoice(phrase="Guitar"), ["object: guitar"]),
        (MapChoice(step="last"), ["style: mosaic, last"]),
        (MapChoice(step="each"), [f"style: mosaic, step {step}" for step in range(3)]),
        (MapChoice(block="each"), ["style: mosaic, double 0", "style: mosaic, single 0"]),
        (
            MapChoice(step="last", block="each", span="each"),
            [
                f"{name}, last, {block}"
                for name in ("object: guitar", "style: mosaic")
                for block in ("double 0", "single 0")
            ],
        ),
    ],
)
def test_choices(choice, labels):
    chosen = chosen_maps(recorded(), choice)
    assert [one.label for one in chosen] == labels
    assert all(one.heat.shape == one.mask.shape == (4, 6) for one in chosen)


def test_captions_name_phrase_step_and_contrast():
    (mean,), (_, step, *_) = chosen_maps(recorded(), MapChoice()), chosen_maps(recorded(), MapChoice(step="each"))
    assert mean.captions == ("style: mosaic", f"contrast {mean.contrast:.2f}")
    assert step.captions == ("style: mosaic", f"step 1: contrast {step.contrast:.2f}")


def test_maps_are_ordered_by_image():
    chosen = chosen_maps(recorded(images=2), MapChoice(step="each"))
    assert [one.image for one in chosen] == [0, 0, 0, 1, 1, 1]


def test_the_last_step_is_shown():
    maps = recorded()
    values = maps.read(0, MOSAIC.name).values[:, :, 0]
    last = chosen_maps(maps, MapChoice(step="last"))[0].heat
    mean = values[2].mean(0)
    torch.testing.assert_close(last, (mean - mean.min()) / (mean.max() - mean.min()))


@pytest.mark.parametrize(
    ("keep", "choice", "sentence"),
    [
        ("blocks", MapChoice(step="last"), "over the steps, so 'last' of the steps .* 'keep' to 'steps' "),
        ("steps", MapChoice(block="each"), "over the blocks, .* 'each' of the blocks .* 'keep' to 'blocks' "),
        ("blocks", MapChoice(step="each", block="each"), "over the steps, .* 'keep' to 'steps and blocks' "),
        ("steps", MapChoice(step="last", block="each"), "over the blocks, .* 'keep' to 'steps and blocks' "),
        (
            "mean only",
            MapChoice(step="last", block="each"),
            "over the steps and the blocks, .* 'last' of the steps and 'each' of the blocks .* 'steps and blocks' ",
        ),
    ],
)
def test_averaged_maps_are_refused_and_the_advice_helps(keep, choice, sentence):
    with pytest.raises(AttentionError, match=sentence) as refused:
        chosen_maps(recorded(keep), choice)
    remedy = str(refused.value).split("Set 'keep' to '")[1].split("'")[0]
    assert chosen_maps(recorded(remedy), choice)


def test_phrases_with_different_steps_are_shown_together():
    maps = recorded(spans=(GUITAR,))
    maps.add(0, OWL, 7, "double 0", spot(row=2, column=4))
    chosen = chosen_maps(maps, MapChoice(span="object", step="each"))
    assert [one.label.rpartition(", ")[2] for one in chosen] == ["step 0", "step 1", "step 2", "step 7"]


def test_two_objects_form_one_region():
    maps = RecordedMaps()
    maps.size = (24, 48)
    maps.add(0, GUITAR, 0, "double 0", spot(12, 24, 2, 2))
    maps.add(0, OWL, 0, "double 0", spot(12, 24, 8, 20))
    mask = region_mask(maps, "object", (24, 48))[0]
    assert mask[6, 6] > 0.5
    assert mask[18, 42] > 0.5
    assert mask[12, 24] < 0.01


@pytest.mark.parametrize("region", ["style", "both"])
def test_region_mask_is_soft_and_lies_over_the_region(region):
    mask = region_mask(recorded(images=2), region, (64, 96))
    assert mask.shape == (2, 64, 96)
    assert 0 <= mask.min() < mask.max() <= 1
    inside = mask[0, 16:48, 16:48].mean()
    assert inside > 4 * mask[0, :, 64:].mean()
    assert mask.diff(dim=1).abs().max() < 0.1


def test_a_region_without_phrases_is_refused():
    with pytest.raises(AttentionError, match=r"names no object, only its style. Set 'region' .* to 'style'"):
        region_heat(recorded(spans=(MOSAIC,)), "object", (64, 96))


def test_a_mask_is_scaled_by_the_contrast():
    clear, weak = RecordedMaps(), RecordedMaps()
    for maps, height in ((clear, 1.0), (weak, 0.005)):
        maps.size = (32, 32)
        cells = torch.full((16, 16), 0.01)
        cells[4:12, 4:12] += height
        maps.add(0, MOSAIC, 0, "double 0", cells)
    assert map_contrast(clear.mean(0, MOSAIC.name)) > 0.8
    assert 0.15 < map_contrast(weak.mean(0, MOSAIC.name)) < 0.25
    assert region_mask(clear, "style", (256, 256)).max() > 0.99
    assert 0.3 < region_mask(weak, "style", (256, 256)).max() < 0.5
    torch.testing.assert_close(region_heat(weak, "style", (64, 64)), region_heat(clear, "style", (64, 64)))


def test_an_even_map_gives_an_empty_mask():
    maps = RecordedMaps()
    maps.size = (8, 12)
    maps.add(0, MOSAIC, 0, "double 0", torch.full((4, 6), 0.02))
    assert region_mask(maps, "style", (64, 96)).max() == 0
    assert region_heat(maps, "style", (64, 96)).max() == 0


@pytest.mark.parametrize(("latent", "cells"), [((8, 12), (4, 6)), ((7, 11), (4, 6)), ((9, 9), (5, 5))])
def test_padding_of_odd_latents_is_cut_off(latent, cells):
    """A ramp over the padded latents keeps its slope, so nothing is stretched."""
    ramp = torch.arange(cells[1]).float().expand(cells)
    image = to_image_size(ramp, latent, (latent[0] * 8, latent[1] * 8))
    assert image.shape == (latent[0] * 8, latent[1] * 8)
    middle = image[0, 8 : (2 * cells[1] - 3) * 8 - 8]
    torch.testing.assert_close(middle.diff(), torch.full_like(middle.diff(), 1 / 16), rtol=1e-3, atol=1e-4)


def test_a_weak_map_warns_and_a_clear_one_does_not():
    notice = weak_map_notice([0.9, 0.31])
    assert notice.line == f"Weak map: contrast 0.31; absent objects reach {ABSENT_CONTRAST:.2f}."
    assert f"reach {ABSENT_CONTRAST:.2f}, so the map may show no region" in notice.sentence
    assert weak_map_notice([CLEAR_CONTRAST, 0.9]) is None
    assert weak_map_notice([]) is None


def test_the_caption_of_a_weak_map_says_so():
    weak, clear = RecordedMaps(), recorded()
    weak.size = (8, 12)
    weak.add(0, MOSAIC, 0, "double 0", spot() + 0.5)
    (shown,), (good,) = chosen_maps(weak, MapChoice()), chosen_maps(clear, MapChoice())
    assert shown.contrast < CLEAR_CONTRAST <= good.contrast
    assert shown.contrast_text == f"contrast {shown.contrast:.2f} (weak)"
    assert good.contrast_text == f"contrast {good.contrast:.2f}"
