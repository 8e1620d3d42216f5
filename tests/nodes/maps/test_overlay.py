"""Overlays of the chosen maps, their masks and their memory."""

import sys
from pathlib import Path

import pytest
import torch
from styleroute.attention import AttentionError
from styleroute.nodes.maps.colour_maps import colours
from styleroute.nodes.maps.map_selection import ChosenMap
from styleroute.nodes.maps.overlay import TEMPORARY_BYTES_PER_PIXEL, _require_memory, overlay_heat, overlay_maps
from styleroute.nodes.maps.region_mask import to_image_size

LATENT = (9, 12)


def chosen(count: int, images: int = 1) -> list[ChosenMap]:
    return [
        ChosenMap(number % images, "style: mosaic", "", torch.rand(5, 6), torch.rand(5, 6), 0.5)
        for number in range(count)
    ]


@pytest.mark.parametrize("size", [(72, 96), (200, 130), (20, 10)])
@pytest.mark.parametrize(("images", "channels"), [(1, 3), (3, 4), (3, 1)])
def test_one_at_a_time_gives_the_same_overlays_as_all_at_once(size, images, channels):
    maps, image = chosen(6, images), torch.rand(images, *size, channels)
    found, masks = overlay_maps(maps, image, LATENT, "ice", 0.4)
    heat = to_image_size(torch.stack([one.heat for one in maps]), LATENT, size)
    torch.testing.assert_close(found, overlay_heat(image.repeat(6 // images, 1, 1, 1), heat, "ice", 0.4))
    torch.testing.assert_close(masks, to_image_size(torch.stack([one.mask for one in maps]), LATENT, size))


def test_one_image_serves_all_maps():
    maps, image = chosen(4, 2), torch.rand(1, 72, 96, 3)
    found, _ = overlay_maps(maps, image, LATENT, "fire", 1.0)
    heat = torch.stack([to_image_size(one.heat, LATENT, (72, 96)) for one in maps])
    torch.testing.assert_close(found, colours(heat, "fire"))


def test_too_many_images_are_refused():
    with pytest.raises(AttentionError, match=r"1000 images of 1024 x 1024 need 15\.7 GB, but the limit is 4 GB"):
        overlay_maps(chosen(1000), torch.zeros(1, 1, 1, 3).expand(1, 1024, 1024, 3), LATENT, "fire", 0.5)


def test_the_largest_allowed_image():
    _require_memory(1, 7000, 7000, 4)
    with pytest.raises(AttentionError, match=r"1 images of 7400 x 7400 .* connect a smaller image"):
        _require_memory(1, 7400, 7400, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux reports the peak")
def test_the_memory_stays_within_the_estimate():
    image, maps = torch.rand(1, 1024, 1024, 3), chosen(12)
    overlay_maps(maps[:1], image, LATENT, "fire", 0.5)
    results: list[torch.Tensor] = []
    peak = peak_of(lambda: results.extend(overlay_maps(maps, image, LATENT, "fire", 0.5)))
    held = sum(result.nbytes for result in results)
    assert held == 12 * 1024 * 1024 * 16
    # The growth may be smaller than the results, because the allocator reuses free memory.
    assert peak <= held + TEMPORARY_BYTES_PER_PIXEL * 1024 * 1024


def peak_of(work) -> int:
    """Largest growth of the process during `work`, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = memory("VmRSS")
    work()
    return memory("VmHWM") - before


def memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
