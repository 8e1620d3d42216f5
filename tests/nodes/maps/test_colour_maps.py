"""Colours of heat maps."""

import pytest
import torch
from styleroute.nodes.maps.colour_maps import COLOUR_MAPS, colours
from styleroute.nodes.maps.overlay import overlay_heat, to_rgb


@pytest.mark.parametrize("colour_map", COLOUR_MAPS)
def test_ends_and_order(colour_map):
    ramp = torch.linspace(-0.5, 1.5, 41)[None]
    coloured = colours(ramp, colour_map)
    assert coloured.shape == (1, 41, 3)
    torch.testing.assert_close(coloured[0, 0] * 255, torch.tensor(COLOUR_MAPS[colour_map][0]).float())
    torch.testing.assert_close(coloured[0, -1] * 255, torch.tensor(COLOUR_MAPS[colour_map][-1]).float())
    assert coloured.diff(dim=1).abs().max() < 0.5  # no jump


def test_grey_is_the_heat_itself():
    heat = torch.rand(2, 5, 7)
    torch.testing.assert_close(colours(heat, "grey"), heat[..., None].expand(-1, -1, -1, 3))


@pytest.mark.parametrize(("opacity", "index"), [(0.0, 0), (1.0, 1)])
def test_opacity_goes_from_the_image_to_the_map(opacity, index):
    images, heat = torch.rand(1, 5, 7, 3), torch.rand(2, 5, 7)
    ends = images.expand(2, -1, -1, -1), colours(heat, "fire")
    torch.testing.assert_close(overlay_heat(images, heat, "fire", opacity), ends[index])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_image_has_three_channels(channels):
    assert to_rgb(torch.rand(2, 5, 7, channels)).shape == (2, 5, 7, 3)
