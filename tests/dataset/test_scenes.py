"""Scenes: seeded, each object with its exact mask."""

import random

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from styleroute.dataset.objects import Cutout
from styleroute.dataset.photos import Photo
from styleroute.dataset.scenes import make_scene

ORANGE = np.float32([230, 120, 60]) / 255


def test_the_same_seed_makes_the_same_scene(photo, objects) -> None:
    first, again, other = (make_scene(photo, objects, 2, 128, random.Random(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    for name, mask in first.masks.items():
        assert np.array_equal(mask, again.masks[name])


def test_a_mask_covers_exactly_its_object(photo, objects) -> None:
    inverse = Photo("inverse", 255 - photo.pixels)
    scene, other = (make_scene(under, objects[:1], 1, 128, random.Random(0), crop=False) for under in (photo, inverse))
    [mask] = scene.masks.values()
    plain, inverted = (under.square(128).astype(np.float32) / 255 for under in (photo, inverse))
    assert np.array_equal(scene.image[mask == 0], plain[mask == 0])
    # What shows through of two photos beneath the same object is 1 - mask of their difference, soft edges included.
    shown = (1 - mask[..., None]) * (plain - inverted)
    np.testing.assert_allclose(scene.image - other.image, shown, atol=1e-6)
    assert 0 < ((mask > 0) & (mask < 1)).sum() < 0.1 * mask.size
    inside = binary_erosion(mask == 1, iterations=8)
    np.testing.assert_allclose(scene.image[inside], np.tile(ORANGE, (inside.sum(), 1)), atol=1e-2)
    # The ball fills 69 % of its square, and the square's side is 0.45 to 0.7 of the image's.
    assert 0.69 * 0.44**2 < mask.mean() < 0.69 * 0.71**2


@pytest.mark.parametrize("size", [(96, 160), (160, 96)])
@pytest.mark.parametrize("count", [1, 2])
def test_objects_keep_their_shape_in_a_rectangular_scene(photo, objects, size: tuple[int, int], count: int) -> None:
    for seed in range(5):
        scene = make_scene(photo, objects, count, size, random.Random(seed))
        assert scene.image.shape == (*size, 3)
        assert len(scene.masks) == count
        for mask in scene.masks.values():
            assert mask.shape == size
            rows, columns = (np.ptp(places) for places in np.nonzero(mask > 0.5))
            assert abs(int(rows) - int(columns)) <= 1  # balls and coins are round


def test_a_rectangular_scene_shows_the_middle_of_the_photo(photo, objects) -> None:
    scene = make_scene(photo, objects, 0, (150, 400), random.Random(0), crop=False)
    assert np.array_equal((scene.image * 255).round(), photo.pixels[75:225])


def test_a_mask_covers_both_objects_of_one_name(photo, objects) -> None:
    ball = objects[0]
    scene = make_scene(photo, [ball, Cutout("ball", ball.pixels)], 2, (96, 160), random.Random(0))
    [mask] = scene.masks.values()
    assert min(mask[:, :80].max(), mask[:, 80:].max()) == 1
    outside = make_scene(photo, [], 0, (96, 160), random.Random(0)).image
    assert np.array_equal(scene.image[mask == 0], outside[mask == 0])


def test_two_objects_do_not_hide_each_other(photo, objects) -> None:
    for seed in range(20):
        scene = make_scene(photo, objects, 2, 128, random.Random(seed))
        left, right = scene.masks.values()
        assert set(scene.masks) == {"ball", "coin"}
        assert min(left.max(), right.max()) == 1
        assert (left * right).max() == 0
