"""EditSamples: every index points at what its prompt says, and they lie on disk whole or not at all."""

from pathlib import Path

import pytest
import torch
from styleroute.dataset.teacher import STYLE_NAMES, TRAIN_STYLES
from styleroute.training.tiny import edit_samples as module
from styleroute.training.tiny.edit_samples import EDITS_PER_OBJECT, EditSamples, load_edit_samples
from torch import Tensor
from torch.nn import functional


class Averages:
    """An encoder whose latents are the means of 8 x 8 pixels, over and over: linear, and easily read."""

    def encode(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, 8).repeat(1, 6, 1, 1)[:, :16]


@pytest.fixture
def made(monkeypatch, photo, objects) -> Path:
    """Photos, objects and a teacher (it inverts) that need no network."""
    monkeypatch.setattr(module, "load_photos", lambda split: {"train": [photo]}[split])
    monkeypatch.setattr(module, "load_objects", lambda: objects)
    monkeypatch.setattr(module, "stylise", lambda image, style: 255 - image)


@pytest.fixture
def small(made, tmp_path: Path) -> EditSamples:
    return load_edit_samples(Averages(), tmp_path / "edit_samples.pt", scenes=6)


def _changed(samples: EditSamples, index: int) -> float:
    """The share of latent cells in which a sample's target differs from its scene."""
    sample = samples.samples[index]
    difference = (samples.latents[sample.target].float() - samples.latents[sample.scene].float()).abs()
    return (difference.amax(0) > 0.005).float().mean().item()


def test_each_kind_changes_what_it_says(small: EditSamples) -> None:
    shares = {kind: [] for kind in module.KINDS}
    for index, sample in enumerate(small.samples):
        shares[sample.kind].append(_changed(small, index))
    assert max(shares["keep"]) == 0
    assert min(shares["whole"]) > 0.7
    assert min(shares["object"]) > 0
    assert max(shares["object"]) < 0.7
    assert min(shares["stylise"]) > 0.9


def test_stylised_samples_have_training_styles_and_their_own_images(small: EditSamples) -> None:
    for sample in small.groups["stylise"]:
        assert sample.style in TRAIN_STYLES
        assert sample.prompt == f"paint the image in the {STYLE_NAMES[sample.style]} style"
        assert sample.caption == f"a painting in the {STYLE_NAMES[sample.style]} style"
        scene, target = small.latents[sample.scene].float(), small.latents[sample.target].float()
        torch.testing.assert_close(target, 1 - scene, rtol=0, atol=0.01)
        # The small image is the stylised image itself, red channel against red channel.
        red = functional.avg_pool2d(small.images[sample.image, :1].float() / 255, 4)[0]
        torch.testing.assert_close(red, target[0], rtol=0, atol=0.1)
    imaged = [sample.image for kind in ("keep", "stylise") for sample in small.groups[kind]]
    assert sorted(imaged) == list(range(len(small.images)))


def test_an_object_sample_names_an_object_of_its_scene(small: EditSamples) -> None:
    for sample in small.groups["object"]:
        named = sample.prompt.removeprefix("make the ").split()[0]
        assert f" {named}" in sample.caption


def test_scenes_for_their_objects_edit_every_object_and_nothing_else(made, tmp_path: Path) -> None:
    samples = load_edit_samples(Averages(), tmp_path / "edit_samples.pt", scenes=1, object_scenes=8)
    first = min(sample.scene for sample in samples.samples if sample.scene > samples.samples[0].scene)
    further = [sample for sample in samples.samples if sample.scene >= first]
    assert {sample.kind for sample in further} == {"keep", "object"}
    for scene in {sample.scene for sample in further}:
        edits = [sample for sample in further if sample.scene == scene and sample.kind == "object"]
        named = {sample.prompt.removeprefix("make the ").split()[0] for sample in edits}
        assert len(edits) == EDITS_PER_OBJECT * len(named)
        assert all(name in edits[0].caption for name in named)


def test_a_stop_while_writing_leaves_nothing_and_what_is_written_is_kept(made, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "edit_samples.pt"

    def stop_half_way(state: dict, path: Path) -> None:
        path.write_bytes(b"half the samples")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", stop_half_way)
        with pytest.raises(KeyboardInterrupt):
            load_edit_samples(Averages(), path, scenes=1)
    first = load_edit_samples(Averages(), path, scenes=1)
    again = load_edit_samples(None, path, scenes=1)
    assert again.samples == first.samples
    assert torch.equal(again.latents, first.latents)
