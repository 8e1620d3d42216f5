"""All of it on handmade scenes; only ComfyUI and the judge are stand-ins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from styleroute.cli.evaluate import regions
from styleroute.errors import StorageError
from styleroute.evaluation.regions import gather
from styleroute.evaluation.regions.baselines import AUTOENCODER, BLEND, GLOBAL, PHOTO, baselines
from styleroute.evaluation.regions.config import RegionEvidenceConfig
from styleroute.evaluation.regions.gather import gather_regions
from styleroute.evaluation.regions.methods import BASE, LOCKED
from styleroute.evaluation.regions.metrics import coverage
from styleroute.evaluation.regions.painting import PaintedRegion, RegionJob, heat_file, read_map, save_region
from styleroute.evaluation.regions.trials import choose_trials, open_mask, region_of
from styleroute.training.regions.variants import FULL, NO_COVER


def perfect(job: RegionJob) -> PaintedRegion:
    """The teacher's image and the mask where there is an expert, else the photo and an even map."""
    example, trained = job.example, bool(job.method.files)
    cells = coverage(open_mask(region_of(example).mask), (16, 16)) if trained else np.ones((16, 16))
    image = Image.open(example.styled if trained else example.original)
    return PaintedRegion(image, image, {f"style: {job.style}": cells.tolist(), "object: x": [[1.0]]})


@contextmanager
def painter() -> Iterator:
    yield perfect


@contextmanager
def nothing() -> Iterator:
    raise AssertionError("everything is painted already")
    yield


@pytest.fixture
def config(data, write_variant, tmp_path) -> RegionEvidenceConfig:
    write_variant(NO_COVER, "ink comic")
    write_variant(FULL, "woven")
    variants = write_variant(FULL, "ink comic")
    return RegionEvidenceConfig(data=data, variants=variants, scenes=2, seeds=2, output=tmp_path / "evidence")


def photo_and_blend(trials) -> dict:
    every = baselines(trials)
    return {name: every[name] for name in (PHOTO, BLEND)}


def test_table_images_and_json_come_out_and_a_second_run_paints_nothing(config, judge, monkeypatch, capsys) -> None:
    monkeypatch.setattr(gather.gather_regions, "__defaults__", (painter, judge, photo_and_blend))
    regions(config)
    said = capsys.readouterr().out
    assert "Left out: without Focus" in said
    assert "Regions: unseen objects and photos, styles ink comic" in said
    assert "Verdict on" in said
    report = json.loads((config.output / "evidence.json").read_text())
    rows = {row["method"]: row for row in report["rows"]}
    assert list(rows) == [PHOTO, BLEND, BASE, NO_COVER, FULL, LOCKED]
    assert len(rows[FULL]["images"]) == 4
    means = {name: {column: value["mean"] for column, value in row["means"].items()} for name, row in rows.items()}
    assert [means[FULL][column] for column in ("iou", "pointing", "inside", "own_style", "mse")] == [1, 1, 1, 1, 0]
    assert [means[BASE][column] for column in ("iou", "own_style", "mse", "seam")] == [0, 0, 0, 0]
    assert means[PHOTO]["iou"] is None
    assert means[FULL]["style"] == pytest.approx(1)
    assert means[FULL]["seam"] == means[BLEND]["seam"] > 0
    assert report["training"][FULL]["woven"]["steps"] == 3
    # The sheet shows the full method in both of its styles, though the table can only compare one.
    assert Image.open(config.output / "sheet.jpg").height > 2 * 256
    assert Image.open(config.output / "methods.png").height > 5 * 256
    gather_regions(config, nothing, judge, photo_and_blend)


def test_without_the_full_method_the_sheet_shows_another_one(data, write_variant, judge, tmp_path) -> None:
    write_variant(NO_COVER, "woven")
    variants = write_variant(NO_COVER, "ink comic")
    gather_regions(
        RegionEvidenceConfig(data=data, variants=variants, scenes=1, output=tmp_path), painter, judge, photo_and_blend
    )
    assert Image.open(tmp_path / "sheet.jpg").height > 2 * 256


def test_a_sheet_of_another_format_is_refused_before_anything(config, judge, tmp_path) -> None:
    with pytest.raises(StorageError, match="the contact sheet is"):
        gather_regions(replace(config, sheet=tmp_path / "sheet.gif"), nothing, judge)


def test_the_baselines_keep_change_and_blend(examples) -> None:
    trials = choose_trials(examples, ["woven"], scenes=1)
    images = {name: dict(found)[0].astype(float) for name, found in baselines(trials).items()}
    outside = open_mask(region_of(trials.examples[0]).mask) == 0
    changed = {name: abs(image - images[PHOTO])[outside].mean() for name, image in images.items()}
    assert changed[BLEND] == 0 < changed[AUTOENCODER] < changed[GLOBAL]


def test_what_was_painted_is_read_back(examples, tmp_path) -> None:
    image, path = Image.new("RGB", (8, 8), "red"), tmp_path / "new" / "0001_boat.png"
    save_region(PaintedRegion(image, image, {"style: a": [[1.0, 3.0]], "object: boat": [[9.0, 9.0]]}), path)
    np.testing.assert_array_equal(read_map(path), [[1, 3]])
    assert path.exists()
    assert heat_file(path).exists()
