"""From settings to a table, a plot and a sheet; a stand-in generates the images."""

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from styleroute.errors import TrainingError
from styleroute.evaluation.dials.config import DialEvaluationConfig
from styleroute.evaluation.dials.evaluate import evaluate_dials
from styleroute.evaluation.dials.plot import plot_dials
from styleroute.evaluation.dials.report import dial_table, write_report
from styleroute.evaluation.dials.settings import dial_settings
from styleroute.evaluation.dials.trials import choose_trials
from styleroute.evaluation.report.runs import read_runs

SETTINGS = dial_settings(8)


def mean_colour(image: np.ndarray) -> np.ndarray:
    return image.mean((0, 1)) / 255


@pytest.fixture
def generated() -> list:
    return []


@pytest.fixture
def open_generator(generated: list):
    """A stand-in for ComfyUI: the larger the content dial, the more of the photo is in the image."""

    @contextmanager
    def opened():
        def generate(job):
            generated.append(job)
            photo, style = (np.asarray(Image.open(path), float) for path in (job.trial.photo, job.trial.style))
            share = job.setting.content / (job.setting.content + job.setting.style)
            return Image.fromarray((share * photo + (1 - share) * style).astype(np.uint8))

        yield generate

    return opened


@pytest.fixture
def evaluation(tmp_path: Path, open_generator):
    config = DialEvaluationConfig(photos=2, styles=2, output=tmp_path)
    return evaluate_dials(config, open_generator, mean_colour)


def by_name(evaluation) -> dict:
    return {result.setting.name: result.scores for result in evaluation.results}


def test_each_setting_is_scored_on_every_trial(evaluation, generated) -> None:
    assert len(generated) == len(SETTINGS) * 4
    scores = by_name(evaluation)
    kept = [scores[f"content {content}, style 1"].mean("content_kept").value for content in ("2", "3")]
    distances = [scores[f"content {content}, style 1"].mean("colour_distance").value for content in ("2", "3")]
    assert kept == sorted(kept)
    assert distances == sorted(distances)


def test_a_second_run_generates_nothing(evaluation, generated, tmp_path, open_generator) -> None:
    generated.clear()
    again = evaluate_dials(DialEvaluationConfig(photos=2, styles=2, output=tmp_path), open_generator, mean_colour)
    assert not generated
    assert again.results == evaluation.results


def test_the_table_names_the_cost(evaluation) -> None:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(dial_table(evaluation))
    lines = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in capture.get().splitlines() if "│" in line
    }
    assert lines["no guidance, 20 steps"] == "20"
    assert lines["negative prompt, cfg 2, strength 0.7"] == "16"
    assert lines["content 1, style 1.5"] == "16"
    assert lines["content 2, style 1.5"] == "24"


def test_the_files(evaluation, tmp_path) -> None:
    plot = plot_dials(tmp_path / "dials.png", evaluation.results)
    assert Image.open(plot).width > 500
    assert Image.open(evaluation.sheet).height > (2 + len(SETTINGS)) * 256
    report = json.loads(write_report(tmp_path, evaluation).read_text())
    assert [row["evaluations"] for row in report["rows"]] == [setting.evaluations for setting in SETTINGS]
    assert len(report["trials"]) == len(report["rows"][0]["images"]) == 4
    [run] = read_runs([str(tmp_path)])
    assert [result.scores.scores for result in run.dials] == [result.scores.scores for result in evaluation.results]
    assert all(image.file.is_file() and image.inputs["photo"].is_file() for image in run.images)


def test_too_many_photos_or_styles_are_refused(tmp_path) -> None:
    with pytest.raises(TrainingError, match="photos is 9, but only 3 are unseen"):
        choose_trials(tmp_path, 9, 1)
    with pytest.raises(TrainingError, match="styles is 9, but only 5 are unseen"):
        choose_trials(tmp_path, 1, 9)
    with pytest.raises(TrainingError, match="steps is 0"):
        DialEvaluationConfig(steps=0)
