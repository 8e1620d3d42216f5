"""Lessons: every index points at what its prompt says, and they lie on disk whole or not at all."""

from pathlib import Path

import pytest
import torch
from styleroute.dataset.paintings import STYLE_NAMES, TRAIN_STYLES
from styleroute.training.tiny import lessons as lessons_module
from styleroute.training.tiny.lessons import EDITS_OF_AN_OBJECT, Lessons, load_lessons
from torch import Tensor
from torch.nn import functional


class Averages:
    """An encoder whose latents are the means of 8 x 8 pixels, over and over: linear, and easily read."""

    def encode(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, 8).repeat(1, 6, 1, 1)[:, :16]


@pytest.fixture
def made(monkeypatch, photo, objects) -> Path:
    """Photos, objects and a painter (it inverts) that need no network."""
    monkeypatch.setattr(lessons_module, "load_photos", lambda split: {"train": [photo]}[split])
    monkeypatch.setattr(lessons_module, "load_objects", lambda: objects)
    monkeypatch.setattr(lessons_module, "paint", lambda image, style: 255 - image)


@pytest.fixture
def small(made, tmp_path: Path) -> Lessons:
    return load_lessons(Averages(), tmp_path / "lessons.pt", scenes=6)


def _changed(lessons: Lessons, index: int) -> float:
    """The share of latent cells in which a lesson's target differs from its scene."""
    lesson = lessons.lessons[index]
    difference = (lessons.latents[lesson.target].float() - lessons.latents[lesson.scene].float()).abs()
    return (difference.amax(0) > 0.005).float().mean().item()


def test_each_kind_changes_what_it_says(small: Lessons) -> None:
    shares = {kind: [] for kind in lessons_module.KINDS}
    for index, lesson in enumerate(small.lessons):
        shares[lesson.kind].append(_changed(small, index))
    assert max(shares["keep"]) == 0
    assert min(shares["whole"]) > 0.7
    assert min(shares["object"]) > 0
    assert max(shares["object"]) < 0.7
    assert min(shares["paint"]) > 0.9


def test_paintings_are_of_training_styles_and_point_at_their_own_images(small: Lessons) -> None:
    for lesson in small.groups["paint"]:
        assert lesson.style in TRAIN_STYLES
        assert lesson.prompt == f"paint the image in the {STYLE_NAMES[lesson.style]} style"
        assert lesson.caption == f"a painting in the {STYLE_NAMES[lesson.style]} style"
        scene, target = small.latents[lesson.scene].float(), small.latents[lesson.target].float()
        torch.testing.assert_close(target, 1 - scene, rtol=0, atol=0.01)
        # The small image is the painting itself, red channel against red channel.
        red = functional.avg_pool2d(small.images[lesson.image, :1].float() / 255, 4)[0]
        torch.testing.assert_close(red, target[0], rtol=0, atol=0.1)
    imaged = [lesson.image for kind in ("keep", "paint") for lesson in small.groups[kind]]
    assert sorted(imaged) == list(range(len(small.images)))


def test_an_objects_lesson_names_a_thing_of_its_scene(small: Lessons) -> None:
    for lesson in small.groups["object"]:
        named = lesson.prompt.removeprefix("make the ").split()[0]
        assert f" {named}" in lesson.caption


def test_scenes_for_their_objects_edit_every_object_and_nothing_else(made, tmp_path: Path) -> None:
    lessons = load_lessons(Averages(), tmp_path / "lessons.pt", scenes=1, object_scenes=8)
    first = min(lesson.scene for lesson in lessons.lessons if lesson.scene > lessons.lessons[0].scene)
    further = [lesson for lesson in lessons.lessons if lesson.scene >= first]
    assert {lesson.kind for lesson in further} == {"keep", "object"}
    for scene in {lesson.scene for lesson in further}:
        edits = [lesson for lesson in further if lesson.scene == scene and lesson.kind == "object"]
        named = {lesson.prompt.removeprefix("make the ").split()[0] for lesson in edits}
        assert len(edits) == EDITS_OF_AN_OBJECT * len(named)
        assert all(name in edits[0].caption for name in named)


def test_a_stop_while_writing_leaves_nothing_and_what_is_written_is_kept(made, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "lessons.pt"

    def stop_half_way(state: dict, path: Path) -> None:
        path.write_bytes(b"half the lessons")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", stop_half_way)
        with pytest.raises(KeyboardInterrupt):
            load_lessons(Averages(), path, scenes=1)
    first = load_lessons(Averages(), path, scenes=1)
    again = load_lessons(None, path, scenes=1)
    assert again.lessons == first.lessons
    assert torch.equal(again.latents, first.latents)
