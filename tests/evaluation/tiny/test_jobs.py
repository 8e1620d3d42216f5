"""The real generator: it edits references of any size, and its files tell the weights apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from styleroute.evaluation.tiny import jobs as module
from styleroute.evaluation.tiny.config import TinyEvaluationConfig
from styleroute.evaluation.tiny.jobs import EditJob, edits_folder, open_edit_generator, round_trip, scene_digest
from styleroute.evaluation.tiny.trials import choose_scenes
from styleroute.training.tiny.autoencoder import Autoencoder
from styleroute.training.tiny.train_kontext import TinyKontext


class NoText:
    """Token ids of zeros."""

    def __call__(self, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(prompts), 32, dtype=torch.long), torch.full((len(prompts), 77), 49407)


def test_a_scene_that_is_not_square_is_edited_at_its_size(photo, objects, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(module, "load_autoencoder", lambda models: Autoencoder().requires_grad_(False))
    monkeypatch.setattr(module, "load_kontext", lambda models: TinyKontext().eval().requires_grad_(False))
    monkeypatch.setattr(module, "Tokenizers", NoText)
    [scene] = choose_scenes([photo], objects, 1, (32, 64), seed=0)
    job = EditJob((32, 64), scene_digest(scene), "keep the image as it is", 0)
    with open_edit_generator(TinyEvaluationConfig(steps=1), {job.scene: scene}) as generate:
        first, again, other = generate(job), generate(job), generate(replace(job, seed=1))
    assert first.size == (64, 32)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_round_trip_is_rounded_to_8_bits(photo) -> None:
    image = photo.crop((32, 64)).astype(np.float32) / 255
    found = round_trip(Autoencoder(), image)
    assert found.shape == (32, 64, 3)
    np.testing.assert_allclose(found * 255, (found * 255).round(), atol=1e-4)


def test_other_weights_and_steps_get_another_folder(tmp_path: Path) -> None:
    config = TinyEvaluationConfig(models=tmp_path)
    (tmp_path / "vae.safetensors").write_bytes(b"first")
    first = edits_folder(config)
    assert edits_folder(config) == first
    assert edits_folder(replace(config, steps=4)) != first
    (tmp_path / "vae.safetensors").write_bytes(b"second weights")
    assert edits_folder(config) != first


def test_the_file_of_a_job_tells_size_prompt_and_scene_apart() -> None:
    job = EditJob((384, 640), "0123", "make the big owl darker", 3)
    assert job.relative_path == Path("384x640/make_the_big_owl_darker-0123-3.png")
