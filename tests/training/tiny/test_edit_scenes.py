"""EditScenes: every target is what its prompt says, and windows show what their captions name."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from styleroute.dataset.photos import Photo
from styleroute.dataset.scenes import Scene
from styleroute.dataset.teacher import STYLE_NAMES, TRAIN_STYLES
from styleroute.training.tiny import edit_scenes as module
from styleroute.training.tiny.edit_scenes import EDITS_PER_OBJECT, EditScenes
from torch import Tensor
from torch.nn import functional

WHOLE = ((128, 128), (96, 160), (160, 96))
WINDOWS = ((64, 64), (96, 96))
SCENES = range(12)


class Averages:
    """An encoder whose latents are the means of 8 x 8 pixels, over and over: linear, and easily read."""

    def encode(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images.float(), 8).repeat(1, 6, 1, 1)[:, :16]


MakeScenes = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, photo, objects) -> MakeScenes:
    """Makes scenes of small sizes; the teacher inverts colours."""
    monkeypatch.setattr(module, "IMAGE_SIZES", WHOLE)
    monkeypatch.setattr(module, "WINDOW_SIZES", WINDOWS)
    monkeypatch.setattr(module, "stylise", lambda image, style: 255 - image)

    def make(object_share: float, photos: list[Photo] | None = None, seed: int = 0) -> list[dict[str, Any]]:
        scenes = EditScenes(photos or [photo], objects, Averages(), object_share, seed)
        return [scenes(number) for number in SCENES]

    return make


def _changed(scene: dict[str, Any], sample: dict[str, Any]) -> float:
    """The share of latent pixels in which a sample's target differs from its scene."""
    target, own = (scene["latents"][sample[key]].float() for key in ("target", "scene"))
    return ((target - own).abs().amax(0) > 0.005).float().mean().item()


def test_equal_numbers_and_seeds_make_equal_scenes(make: MakeScenes) -> None:
    first, again, other = make(0.5), make(0.5), make(0.5, seed=1)
    for one, two in zip(first, again, strict=True):
        assert one["samples"] == two["samples"]
        assert torch.equal(one["latents"], two["latents"])
    assert any(one["samples"] != two["samples"] for one, two in zip(first, other, strict=True))


def test_each_kind_changes_what_it_says(make: MakeScenes) -> None:
    shares: dict[str, list[float]] = {"keep": [], "whole": [], "object": [], "stylise": []}
    for scene in make(0.0):
        for sample in scene["samples"]:
            if "blurry" not in sample["prompt"]:  # objects of one colour have nothing to blur
                shares[sample["kind"]].append(_changed(scene, sample))
    assert max(shares["keep"]) == 0
    assert min(shares["whole"]) > 0.7
    assert min(shares["object"]) > 0
    assert max(shares["object"]) < 1
    assert min(shares["stylise"]) > 0.9


def test_latents_are_of_whole_scenes_or_of_windows(make: MakeScenes) -> None:
    sizes = set()
    for scene in make(0.5):
        assert scene["latents"].dtype == torch.float16
        sizes.add(tuple(8 * side for side in scene["latents"].shape[-2:]))
    assert sizes <= {*WHOLE, *WINDOWS}
    assert sizes & set(WHOLE)
    assert sizes & set(WINDOWS)


def test_a_scene_is_not_larger_than_its_photo(photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IMAGE_SIZES", WHOLE)
    monkeypatch.setattr(module, "WINDOW_SIZES", WINDOWS)

    def sizes(height: int, width: int) -> list[tuple[int, int]]:
        return module._sizes(Photo("part", photo.pixels[:height, :width]))

    assert sizes(300, 400) == list(WHOLE)
    assert sizes(128, 200) == [(128, 128), (96, 160)]
    assert sizes(110, 110) == [(96, 96)]
    assert sizes(90, 90) == [(64, 64)]


def test_stylised_samples_have_training_styles_and_small_images(make: MakeScenes) -> None:
    for scene in make(0.0):
        stylised = [sample for sample in scene["samples"] if sample["kind"] == "stylise"]
        assert len({sample["style"] for sample in stylised}) == module.STYLES_PER_SCENE
        for sample in stylised:
            name = STYLE_NAMES[sample["style"]]
            assert sample["style"] in TRAIN_STYLES
            assert sample["prompt"] == f"paint the image in the {name} style"
            assert sample["caption"] == f"a painting in the {name} style"
            own, target = (scene["latents"][sample[key]].float() for key in ("scene", "target"))
            torch.testing.assert_close(target, 1 - own, rtol=0, atol=0.01)


def test_the_small_image_shows_what_is_encoded(make: MakeScenes) -> None:
    """Also of a window: the caption names only the objects that the window shows."""
    for scene in make(0.5):
        imaged = [sample for sample in scene["samples"] if "image" in sample]
        assert [sample["image"] for sample in imaged] == list(range(len(scene["images"])))
        for sample in imaged:
            red = scene["latents"][sample["target"]][:1].float()
            small = scene["images"][sample["image"], :1].float() / 255
            shown = functional.interpolate(small[None], red.shape[-2:], mode="area")[0]
            torch.testing.assert_close(shown, red, rtol=0, atol=0.1)


def test_an_object_sample_names_an_object_of_its_caption(make: MakeScenes) -> None:
    named = 0
    for scene in make(0.5):
        for sample in scene["samples"]:
            if sample["kind"] == "object":
                name = sample["prompt"].removeprefix("make the ").split()[0]
                assert f" {name}" in sample["caption"]
                named += 1
    assert named


def test_scenes_for_their_objects_edit_every_object_and_nothing_else(make: MakeScenes) -> None:
    for scene in make(1.0):
        edits = [sample for sample in scene["samples"] if sample["kind"] == "object"]
        assert {sample["kind"] for sample in scene["samples"]} == {"keep", "object"}
        names = {sample["prompt"].removeprefix("make the ").split()[0] for sample in edits}
        assert len(edits) == EDITS_PER_OBJECT * len(names)
        assert all(name in edits[0]["caption"] for name in names)


def test_the_scenes_go_through_all_photos_in_a_random_order(photo, objects) -> None:
    orders = [EditScenes([photo] * 20, objects, Averages(), seed=seed)._order for seed in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]


def _scene(height: int, width: int, rows: slice, columns: slice) -> Scene:
    mask = np.zeros((height, width), dtype=np.float32)
    mask[rows, columns] = 1
    return Scene(np.zeros((height, width, 3), dtype=np.float32), {"ball": mask})


def test_a_window_shows_the_middle_of_its_object_and_stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_SIZES", WINDOWS)
    monkeypatch.setattr(module, "WHOLE_SHARE", 0.0)
    scene = _scene(160, 96, slice(140, 156), slice(0, 16))
    sizes = set()
    for seed in range(20):
        rows, columns = module._window(scene, random.Random(seed))
        assert 0 <= rows.start <= 148 <= rows.stop <= 160
        assert 0 <= columns.start <= 8 <= columns.stop <= 96
        sizes.add((rows.stop - rows.start, columns.stop - columns.start))
    assert sizes == set(WINDOWS)


def test_a_scene_smaller_than_every_window_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_SIZES", WINDOWS)
    scene = _scene(48, 160, slice(0, 8), slice(0, 8))
    assert module._window(scene, random.Random(0)) == (slice(0, 48), slice(0, 160))


def test_objects_that_a_window_hardly_shows_are_not_edited(make: MakeScenes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_SHOWN", 1.0)
    for scene in make(1.0):
        assert {sample["kind"] for sample in scene["samples"]} == {"keep"}
        assert scene["samples"][0]["caption"] == "a photo"
