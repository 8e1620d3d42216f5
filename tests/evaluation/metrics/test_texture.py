"""Real textures of scikit-image: their distances, and what must not count."""

import builtins
from functools import cache

import numpy as np
import pytest
import skimage.data
from styleroute.errors import DataError
from styleroute.evaluation.metrics import texture
from styleroute.evaluation.metrics.texture import (
    Texture,
    mean_texture,
    standard_deviations,
    texture_distance,
    texture_statistics,
)

NAMES = ("brick", "grass", "gravel")


@cache
def crop(name: str, number: int) -> np.ndarray:
    """One of four quarters of a texture of 512 pixels, [256, 256, 3] uint8."""
    grey = getattr(skimage.data, name)()
    top, left = number // 2 * 256, number % 2 * 256
    return np.repeat(grey[top : top + 256, left : left + 256, None], 3, axis=2)


@pytest.fixture(scope="module")
def textures() -> dict[str, list[Texture]]:
    return {name: [texture_statistics(crop(name, number)) for number in range(4)] for name in NAMES}


def deviations_of(textures: dict[str, list[Texture]]) -> Texture:
    return standard_deviations([texture for found in textures.values() for texture in found])


def test_other_crops_of_a_texture_are_the_nearest(textures) -> None:
    known = {name: found[:3] for name, found in textures.items()}
    deviations = deviations_of(known)
    for name in NAMES:
        distances = {
            other: texture_distance(textures[name][3], mean_texture(known[other]), deviations) for other in NAMES
        }
        assert min(distances, key=distances.__getitem__) == name
        assert distances[name] < 0.8 * min(distance for other, distance in distances.items() if other != name)


def test_colours_and_contrast_do_not_count(textures) -> None:
    deviations = deviations_of(textures)
    brick = crop("brick", 0)
    softer = (brick * 0.7 + 40).round().astype(np.uint8)
    tinted = (brick * [0.9, 0.85, 0.95]).round().astype(np.uint8)
    to_other_crop = texture_distance(textures["brick"][0], textures["brick"][1], deviations)
    for changed in (softer, tinted):
        assert texture_distance(texture_statistics(changed), textures["brick"][0], deviations) < 0.5 * to_other_crop
    assert texture_distance(textures["brick"][0], textures["brick"][0], deviations) == 0


def test_sizes_are_compared_at_one_size(textures) -> None:
    large = np.kron(crop("gravel", 0), np.ones((2, 2, 1), np.uint8))
    deviations = deviations_of(textures)
    assert texture_distance(texture_statistics(large), textures["gravel"][0], deviations) < 1


def test_an_image_of_one_colour_has_finite_statistics() -> None:
    found = texture_statistics(np.full((64, 64, 3), 90, np.uint8))
    assert all(np.isfinite(values).all() for values in found.values())


def test_each_group_counts_the_same() -> None:
    first, second = {"a": np.array([1.0]), "b": np.zeros(4)}, {"a": np.array([3.0]), "b": np.full(4, 2.0)}
    assert mean_texture([first, second])["a"] == 2
    np.testing.assert_allclose(standard_deviations([first, second])["a"], [1.0])
    assert texture_distance(first, second, {"a": np.ones(1), "b": np.full(4, 2.0)}) == pytest.approx(np.sqrt(2.5))


def test_the_remedy_for_the_missing_package(monkeypatch) -> None:
    load = builtins.__import__

    def without_plenoptic(name, *arguments, **named):
        if name.startswith("plenoptic"):
            raise ImportError(name)
        return load(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_plenoptic)
    texture._model.cache_clear()
    with pytest.raises(DataError, match="pip install plenoptic"):
        texture_statistics(crop("brick", 0))
