"""The evaluation of the small Kontext: a model without effect, and the targets of the instructions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from styleroute.dataset.edits import EDITS, KEEP
from styleroute.evaluation import tiny as module
from styleroute.evaluation.tiny import TinyEvaluationConfig, evaluate_tiny


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
    monkeypatch.setattr(module, "_generate", lambda trials, *rest: [trial.scene.image for trial in trials])
    report = evaluate_tiny(TinyEvaluationConfig(per_edit=2, output=tmp_path))
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


def test_the_target_of_a_trial_fits_its_instruction(photo, objects, monkeypatch) -> None:
    monkeypatch.setattr(module, "load_photos", lambda split: [photo])
    monkeypatch.setattr(module, "load_objects", lambda: objects)
    scene = module._scenes(TinyEvaluationConfig())[0]
    [(name, mask)] = scene.masks.items()
    keep, whole, local = (module._trial(scene, *what) for what in ((None, False), ("darker", False), ("darker", True)))
    assert (keep.prompt, whole.prompt, local.prompt) == (KEEP, "make the image darker", f"make the {name} darker")
    assert np.array_equal(keep.target, scene.image)
    assert np.array_equal(local.target[mask == 0], scene.image[mask == 0])
    assert (whole.target <= scene.image).all()
