"""The sheet of one method, with the style images in place of generated images."""

from pathlib import Path

import pytest
from PIL import Image
from styleroute.evaluation.styles.methods import StyleMethod
from styleroute.evaluation.styles.sheets import sheet_jobs, sheet_trials, write_style_sheet

STEP = 256 + 8
"""Pixels from one image of a sheet to the next."""


@pytest.mark.parametrize(("size", "found"), [((1, 2), (1, 2)), ((2, 2), (2, 2)), ((9, 9), (2, 3))])
def test_the_sheet_has_the_asked_styles_and_photos(triplets, tmp_path: Path, size, found) -> None:
    trials = sheet_trials(triplets, size)
    jobs = sheet_jobs(trials, StyleMethod("full", tmp_path / "none.safetensors", "style-encoder"))
    styles, photos = found  # of four photos, one is left over for the style images
    assert len(jobs) == styles * photos
    assert all(job.style.stem not in {photo.stem for photo in trials.photos} for job in jobs.values())
    path = write_style_sheet(tmp_path / "sheet.png", trials, jobs, {job: job.style for job in jobs.values()})
    width, height = Image.open(path).size
    assert (width // STEP, height // STEP) == (1 + photos, 1 + styles)


def test_without_routed_experts_there_is_no_sheet(triplets, tmp_path: Path, capsys) -> None:
    trials = sheet_trials(triplets, (1, 1))
    assert write_style_sheet(tmp_path / "sheet.png", trials, sheet_jobs(trials, None), {}) is None
    assert "no routed experts" in capsys.readouterr().out
