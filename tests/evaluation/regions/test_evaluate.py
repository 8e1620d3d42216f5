"""The whole evaluation on handmade scenes; only ComfyUI and the style-vector network are stand-ins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.cli.evaluate import regions
from styleroute.errors import StorageError
from styleroute.evaluation.metrics import cell_coverage
from styleroute.evaluation.regions import evaluate
from styleroute.evaluation.regions.baselines import AUTOENCODER, BLEND, GLOBAL, PHOTO, baselines
from styleroute.evaluation.regions.claims import CHOICE_CLAIMS, PAPER_CLAIMS
from styleroute.evaluation.regions.config import RegionEvaluationConfig
from styleroute.evaluation.regions.evaluate import evaluate_regions
from styleroute.evaluation.regions.jobs import GeneratedRegion, RegionJob, overlay_file, read_map, save_region
from styleroute.evaluation.regions.methods import BASE, LOCKED
from styleroute.evaluation.regions.trials import choose_trials, open_mask, region_of
from styleroute.evaluation.report.runs import read_runs
from styleroute.training.regions.variants import FULL, NO_COVER


def perfect(job: RegionJob) -> GeneratedRegion:
    """Returns the teacher's image and the mask for an expert, else the photo and a constant map."""
    example, trained = job.example, bool(job.method.files)
    cells = cell_coverage(open_mask(region_of(example).mask), (16, 16)) if trained else torch.ones(16, 16)
    image = Image.open(example.styled if trained else example.original)
    return GeneratedRegion(image, image, {f"style: {job.style}": cells.tolist(), "object: x": [[1.0]]})


@contextmanager
def perfect_generator() -> Iterator:
    yield perfect


@contextmanager
def no_generator() -> Iterator:
    raise AssertionError("all images exist already")
    yield


@pytest.fixture
def config(data, write_variant, tmp_path) -> RegionEvaluationConfig:
    write_variant(NO_COVER, "ink comic")
    write_variant(FULL, "woven")
    variants = write_variant(FULL, "ink comic")
    return RegionEvaluationConfig(data=data, variants=variants, scenes=2, seeds=2, output=tmp_path / "evaluation")


def photo_and_blend(trials) -> dict:
    every = baselines(trials)
    return {name: every[name] for name in (PHOTO, BLEND)}


def test_it_writes_tables_images_and_json_and_a_second_run_generates_nothing(
    config, network, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(evaluate.evaluate_regions, "__defaults__", (perfect_generator, network, photo_and_blend))
    regions(config)
    printed = capsys.readouterr().out
    assert "Left out: without Focus" in printed
    assert "Regions: unseen objects and photos, styles ink comic" in printed
    assert f"Tested {len(PAPER_CLAIMS) + len(CHOICE_CLAIMS)} claims" in printed
    report = json.loads((config.output / "scores.json").read_text())
    rows = {row["method"]: row for row in report["rows"]}
    assert list(rows) == [PHOTO, BLEND, BASE, NO_COVER, FULL, LOCKED]
    assert len(rows[FULL]["images"]) == 4
    [run] = read_runs([str(config.output)])
    kept = [image for image in run.images if image.file is not None]
    assert {image.method for image in kept} == {BASE, NO_COVER, FULL, LOCKED}
    assert all(image.file.is_file() and image.inputs["teacher"].is_file() for image in kept)
    means = {name: {column: value["mean"] for column, value in row["means"].items()} for name, row in rows.items()}
    assert [means[FULL][column] for column in ("iou", "pointing", "inside", "own_style", "background_mse")] == [
        1,
        1,
        1,
        1,
        0,
    ]
    assert [means[BASE][column] for column in ("iou", "own_style", "background_mse", "seam")] == [0, 0, 0, 0]
    assert means[PHOTO]["iou"] is None
    assert means[FULL]["style_similarity"] == pytest.approx(1)
    assert means[FULL]["seam"] == means[BLEND]["seam"] > 0
    assert report["training"][FULL]["woven"]["steps"] == 3
    # The sheet shows both styles of the full method, while the table compares only the common style.
    assert Image.open(config.output / "sheet.jpg").height > 2 * 256
    assert Image.open(config.output / "methods.png").height > 5 * 256
    evaluate_regions(config, no_generator, network, photo_and_blend)


def test_without_the_full_method_the_sheet_shows_another_method(data, write_variant, network, tmp_path) -> None:
    write_variant(NO_COVER, "woven")
    variants = write_variant(NO_COVER, "ink comic")
    evaluate_regions(
        RegionEvaluationConfig(data=data, variants=variants, scenes=1, output=tmp_path),
        perfect_generator,
        network,
        photo_and_blend,
    )
    assert Image.open(tmp_path / "sheet.jpg").height > 2 * 256


def test_an_unknown_sheet_format_is_refused_before_any_work(config, network, tmp_path) -> None:
    with pytest.raises(StorageError, match="the contact sheet is"):
        evaluate_regions(replace(config, sheet=tmp_path / "sheet.gif"), no_generator, network)


def test_the_baselines_change_the_background_as_expected(examples) -> None:
    trials = choose_trials(examples, ["woven"], scenes=1)
    images = {name: dict(found)[0].astype(float) for name, found in baselines(trials).items()}
    outside = open_mask(region_of(trials.examples[0]).mask) == 0
    changed = {name: abs(image - images[PHOTO])[outside].mean() for name, image in images.items()}
    assert changed[BLEND] == 0 < changed[AUTOENCODER] < changed[GLOBAL]


def test_a_saved_region_is_read_back(examples, tmp_path) -> None:
    image, path = Image.new("RGB", (8, 8), "red"), tmp_path / "new" / "0001_boat.png"
    save_region(GeneratedRegion(image, image, {"style: a": [[1.0, 3.0]], "object: boat": [[9.0, 9.0]]}), path)
    np.testing.assert_array_equal(read_map(path), [[1, 3]])
    assert path.exists()
    assert overlay_file(path).exists()
