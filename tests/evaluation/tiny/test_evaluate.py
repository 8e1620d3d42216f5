"""The evaluation of the small Kontext at two sizes, with a model that changes nothing."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from styleroute.dataset.edits import EDITS
from styleroute.errors import DataError
from styleroute.evaluation.report.runs import read_runs
from styleroute.evaluation.tiny import evaluate as module
from styleroute.evaluation.tiny.config import TinyEvaluationConfig
from styleroute.evaluation.tiny.evaluate import evaluate_tiny
from styleroute.evaluation.tiny.jobs import EditJob
from styleroute.evaluation.tiny.report import bar_table, size_table, summary_line, write_report
from styleroute.evaluation.tiny.scores import SizeEvaluation

SIZES = ((96, 160), (128, 128))


class Unchanged:
    """A generator that returns the scene of each job, and counts the images."""

    def __init__(self) -> None:
        self.jobs = list[EditJob]()

    @contextmanager
    def __call__(self, config: TinyEvaluationConfig, scenes) -> Iterator:
        def generate(job: EditJob) -> Image.Image:
            self.jobs.append(job)
            return Image.fromarray((scenes[job.scene].image * 255).round().astype(np.uint8))

        yield generate


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo, objects) -> TinyEvaluationConfig:
    lossless = SimpleNamespace(encode=lambda images: images, decode=lambda latents: latents)
    monkeypatch.setattr(module, "load_autoencoder", lambda models: lossless)
    monkeypatch.setattr(module, "load_large_test_photos", lambda size: [photo] if photo.holds(size) else [])
    monkeypatch.setattr(module, "load_objects", lambda: objects)
    monkeypatch.setattr(module, "autoencoder_psnr", lambda model, photos, size: 30.0)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "transformer.safetensors").write_bytes(b"weights")
    return TinyEvaluationConfig(per_edit=2, sizes=SIZES, models=tmp_path / "models", output=tmp_path / "output")


@pytest.fixture
def found(config: TinyEvaluationConfig) -> list[SizeEvaluation]:
    return evaluate_tiny(config, Unchanged())


def test_a_model_that_changes_nothing_is_perfect_outside_the_object(found: list[SizeEvaluation]) -> None:
    assert [size.size for size in found] == list(SIZES)
    for size in found:
        rows = {row.name: row for row in size.edits}
        assert list(rows) == ["keep", *EDITS, *(f"object {edit}" for edit in EDITS)]
        assert 50 < size.ceiling.image < 90  # 8-bit rounding alone
        assert rows["keep"].image == pytest.approx(size.ceiling.image)
        assert rows["keep"].seam < 0.1
        for edit in EDITS:
            local = rows[f"object {edit}"]
            assert rows[edit].image < 32
            assert rows[edit].inside is rows[edit].outside is None
            assert local.inside is not None
            assert local.outside is not None
            assert local.inside < local.image < local.outside


def test_a_contact_sheet_for_each_size_shows_photo_result_and_target(found: list[SizeEvaluation]) -> None:
    for size, (height, width) in zip(found, SIZES, strict=True):
        sheet = Image.open(size.sheet)
        assert size.sheet.name == f"edits_{height}x{width}.jpg"
        assert sheet.width > 6 * width
        assert sheet.height > 13 * height


def test_finished_images_are_not_generated_again(config: TinyEvaluationConfig, found: list[SizeEvaluation]) -> None:
    again, stronger = Unchanged(), Unchanged()
    assert evaluate_tiny(config, again) == found
    assert again.jobs == []
    (config.models / "transformer.safetensors").write_bytes(b"other weights")
    evaluate_tiny(config, stronger)
    assert len(stronger.jobs) == 2 * 2 * 13  # sizes, scenes, instructions


def test_every_instruction_gets_the_same_scenes_and_noise(config: TinyEvaluationConfig) -> None:
    generator = Unchanged()
    evaluate_tiny(config, generator)
    for size in SIZES:
        jobs = [job for job in generator.jobs if job.size == size]
        assert len({(job.scene, job.seed) for job in jobs}) == 2
        assert len({job.seed for job in jobs}) == 2


def test_the_report_prints_every_line_of_the_bar_and_the_worst_instruction(
    config: TinyEvaluationConfig, found: list[SizeEvaluation]
) -> None:
    console = Console(file=io.StringIO(), width=160, record=True)
    for size in found:
        console.print(size_table(size))
        console.print(summary_line(size))
    console.print(bar_table(found))
    text = console.export_text()
    for title in ("96 x 160", "128 x 128"):
        assert f"{title}: keep is within 1 dB of the VAE" in text
        assert f"{title}: every instruction reaches 25 dB" in text
        assert f"{title}: no seam" in text
        assert f"{title}: VAE alone 30.0 dB on all 1 test photos" in text
    written = json.loads(write_report(config, found).read_text(encoding="utf-8"))
    assert len(written["claims"]) == 6
    assert written["sizes"][0]["edits"][0]["name"] == "keep"
    assert written["settings"] == {"per_edit": 2, "steps": 20, "seed": 0}
    [run] = read_runs([str(config.output)])
    kept = [
        image.values["image"] for image in run.images if (image.protocol, image.method) == ("tiny, 96 x 160", "keep")
    ]
    assert len(kept) == 2
    assert np.mean(kept) == pytest.approx(found[0].edits[0].image)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"per_edit": 0}, "there are 0 images and 20 steps, expected at least 1 of each"),
        ({"sizes": ((512, 500),)}, r"a size is 512 x 500 pixels, expected multiples of 16 .*: give other --sizes"),
        ({"sizes": ((0, 512),)}, "a size is 0 x 512 pixels"),
        ({"sizes": ()}, "there is no size, expected height and width of one size or more"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        TinyEvaluationConfig(**options)
