"""EditSamples: scenes are files that an interrupted run continues, and their indices are joined."""

from pathlib import Path
from typing import Any

import pytest
import torch
from styleroute.errors import TrainingError
from styleroute.training.tiny import edit_samples as module
from styleroute.training.tiny.edit_samples import EditSample, EditSamples, load_edit_samples, vision_size

SIZES = ((4, 4), (6, 10), (10, 6))
SETTINGS = {"object_share": 0.5, "photos": 3}


class Maker:
    """Makes scenes whose latents hold the scene's number, and notes which scenes it made."""

    def __init__(self) -> None:
        self.made = list[int]()

    def __call__(self, number: int) -> dict[str, Any]:
        self.made.append(number)
        keep = {"kind": "keep", "prompt": "keep", "caption": f"photo {number}", "scene": 0, "target": 0, "image": 0}
        edit = {"kind": "whole", "prompt": "edit", "caption": f"photo {number}", "scene": 0, "target": 1}
        style = {**keep, "kind": "stylise", "target": 2, "style": 3, "image": 1}
        latents = torch.arange(3).view(3, 1, 1, 1).expand(3, 16, *SIZES[number % 3]) + 10 * number
        images = torch.full((2, 3, 8, 8), number, dtype=torch.uint8) + torch.arange(2, dtype=torch.uint8).view(
            2, 1, 1, 1
        )
        return {"samples": [keep, edit, style], "latents": latents.half().contiguous(), "images": images}


def test_the_indices_of_all_scenes_are_joined(tmp_path: Path) -> None:
    samples = load_edit_samples(tmp_path, Maker(), 3, SETTINGS)
    assert len(samples.samples) == len(samples.latents) == 9
    for number in range(3):
        keep, edit, style = samples.samples[3 * number : 3 * number + 3]
        assert keep.caption == f"photo {number}"
        assert samples.size(edit) == SIZES[number]
        for target, sample in enumerate((keep, edit, style)):
            assert samples.latents[sample.scene].unique().tolist() == [10 * number]
            assert samples.latents[sample.target].unique().tolist() == [10 * number + target]
        assert samples.images[keep.image].unique().tolist() == [number]
        assert samples.images[style.image].unique().tolist() == [number + 1]
        assert (edit.image, edit.style, style.style) == (-1, -1, 3)


def test_only_missing_scenes_are_made(tmp_path: Path) -> None:
    first, again, further = Maker(), Maker(), Maker()
    load_edit_samples(tmp_path / "samples", first, 2, SETTINGS)
    earlier = load_edit_samples(tmp_path / "samples", again, 2, SETTINGS)
    larger = load_edit_samples(tmp_path / "samples", further, 4, SETTINGS)
    assert (first.made, again.made, further.made) == ([0, 1], [], [2, 3])
    assert larger.samples[: len(earlier.samples)] == earlier.samples
    assert (
        len(load_edit_samples(tmp_path / "samples", again, 1, SETTINGS).samples) == 3
    )  # a smaller number reads the first ones


def test_an_interruption_leaves_whole_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, saved = torch.save, []

    def stop_in_the_second(state: dict, path: Path) -> None:
        if saved:
            path.write_bytes(b"half a scene")
            raise KeyboardInterrupt
        saved.append(path)
        save(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            load_edit_samples(tmp_path, Maker(), 3, SETTINGS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00000.pt", "settings.json"]
    resumed = Maker()
    load_edit_samples(tmp_path, resumed, 3, SETTINGS)
    assert resumed.made == [1, 2]


def test_scenes_of_other_settings_are_refused(tmp_path: Path) -> None:
    load_edit_samples(tmp_path, Maker(), 1, SETTINGS)
    with pytest.raises(TrainingError, match="have photos 3, this run has 4: give the same value, or another --run"):
        load_edit_samples(tmp_path, Maker(), 2, {**SETTINGS, "photos": 4})
    assert not (tmp_path / "00001.pt").exists()


def test_choices_are_whole_images_of_a_size_or_images_that_hold_a_window() -> None:
    latents = [torch.zeros(16, *size) for size in SIZES]
    entries = [EditSample("keep", "", "", index, index) for index in range(3)] + [EditSample("whole", "", "", 2, 2)]
    samples = EditSamples(entries, latents, torch.zeros(0))

    def sizes(kind: str, size: tuple[int, int], whole: bool) -> list[tuple[int, int]]:
        return [samples.size(sample) for sample in samples.choices(kind, size, whole)]

    assert sizes("keep", (6, 10), whole=True) == [(6, 10)]
    assert sizes("keep", (6, 6), whole=True) == []
    assert sizes("keep", (6, 6), whole=False) == [(6, 10), (10, 6)]
    assert sizes("keep", (4, 4), whole=False) == list(SIZES)
    assert sizes("whole", (4, 4), whole=False) == [(10, 6)]


def test_every_kind_has_a_group() -> None:
    samples = EditSamples([EditSample(kind, "", "", 0, 0) for kind in module.KINDS * 2], [], torch.zeros(0))
    assert {kind: len(group) for kind, group in samples.groups.items()} == dict.fromkeys(module.KINDS, 2)


def test_small_images_are_not_cropped() -> None:
    image = torch.zeros(1, 3, 96, 160)
    image[..., :80] = 1
    small = vision_size(image)
    assert small.shape == (1, 3, 128, 128)
    assert small[..., :60].mean() > 0.99
    assert small[..., 68:].mean() < 0.01
