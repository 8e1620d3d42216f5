"""Evaluation: PSNR as it is defined, and rows that mean what their names say."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from styleroute.dataset.edits import EDITS, KEEP
from styleroute.evaluation import tiny as module
from styleroute.evaluation.tiny import EvaluateConfig, evaluate, psnr


def test_psnr_is_minus_ten_log_of_the_mean_squared_error() -> None:
    target = np.full((4, 4, 3), 0.5)
    result = target.copy()
    result[:2] += 0.1
    top = np.zeros((4, 4))
    top[:2] = 1
    assert psnr(result, target, top) == pytest.approx(20, abs=1e-3)
    assert psnr(result, target) == pytest.approx(20 + 10 * np.log10(2), abs=1e-3)
    # Half weight on the wrong quarter of the remaining image: (4 x 0.01 x 0.5) / (4 x 0.5 + 8).
    soft = np.concatenate([np.zeros((1, 4)), np.full((1, 4), 0.5), np.ones((2, 4))])
    assert psnr(result, target, soft) == pytest.approx(-10 * np.log10(0.01 * 2 / 10), abs=1e-3)
    assert psnr(target, target) == pytest.approx(100)


def test_a_model_that_changes_nothing_is_perfect_outside_the_object(
    tmp_path: Path, monkeypatch, photo, objects
) -> None:
    lossless = SimpleNamespace(encode=lambda images: images, decode=lambda latents: latents)
    monkeypatch.setattr(module, "load_autoencoder", lambda models: lossless)
    monkeypatch.setattr(module, "load_kontext", lambda models: None)
    monkeypatch.setattr(module, "Tokenizers", lambda: None)
    monkeypatch.setattr(module, "load_photos", lambda split: {"test": [photo]}[split])
    monkeypatch.setattr(module, "load_objects", lambda: objects)
    monkeypatch.setattr(module, "autoencoder_psnr", lambda model: 30.0)
    monkeypatch.setattr(module, "_run", lambda trials, *rest: [trial.scene.image for trial in trials])
    report = evaluate(EvaluateConfig(per_edit=2, output=tmp_path))
    rows = {row.name: row for row in report.rows}
    ceiling = "(autoencoder, these scenes)"
    assert list(rows) == [ceiling, "keep", *EDITS, *(f"object {edit}" for edit in EDITS)]
    assert rows["keep"].image == pytest.approx(100)
    assert 50 < rows[ceiling].image < 90  # 8-bit rounding alone
    for edit in EDITS:
        local = rows[f"object {edit}"]
        assert rows[edit].image < 30
        assert rows[edit].inside is None
        assert local.inside < local.image < local.outside
        assert local.inside < 35
    assert Image.open(report.sheet).size == (6 * 256, 13 * 256)


def test_a_trial_asks_for_what_its_target_shows(photo, objects, monkeypatch) -> None:
    monkeypatch.setattr(module, "load_photos", lambda split: [photo])
    monkeypatch.setattr(module, "load_objects", lambda: objects)
    scene = module._scenes(EvaluateConfig())[0]
    [(name, mask)] = scene.masks.items()
    keep, whole, local = (module._trial(scene, *what) for what in ((None, False), ("darker", False), ("darker", True)))
    assert (keep.prompt, whole.prompt, local.prompt) == (KEEP, "make the image darker", f"make the {name} darker")
    assert np.array_equal(keep.target, scene.image)
    assert np.array_equal(local.target[mask == 0], scene.image[mask == 0])
    assert (whole.target <= scene.image).all()
