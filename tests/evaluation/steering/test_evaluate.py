"""The whole command on handmade triplets with the shipped experts; ComfyUI and the networks are stand-ins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image
from styleroute.cli.evaluate import steering
from styleroute.errors import StorageError, TrainingError
from styleroute.evaluation.claims import FAILS, HOLDS
from styleroute.evaluation.json_report import SCORES_FILE
from styleroute.evaluation.report.runs import read_runs
from styleroute.evaluation.steering import evaluate
from styleroute.evaluation.steering.config import SteeringConfig
from styleroute.evaluation.steering.evaluate import evaluate_steering
from styleroute.evaluation.steering.rows import ALL, NEITHER, OTHER_EMBEDDING, SHARED
from styleroute.evaluation.styles.baselines import TEACHER, TEACHER_VAE


@contextmanager
def perfect_experts() -> Iterator:
    """A generator that follows the embedding, and without routed experts keeps the photo."""

    def generate(job) -> Image.Image:
        shown = job.content if job.method.condition == "none" else job.style
        return Image.open(shown).convert("RGB").resize((job.side, job.side))

    yield generate


@contextmanager
def no_effect() -> Iterator:
    """A generator that keeps the photo."""
    yield lambda job: Image.open(job.content).convert("RGB").resize((job.side, job.side))


@contextmanager
def no_generator() -> Iterator:
    raise AssertionError("all images exist already")
    yield


@pytest.fixture
def config(data, tmp_path) -> SteeringConfig:
    return SteeringConfig(data=data, photos=2, output=tmp_path / "steering")


@pytest.fixture(autouse=True)
def no_vae(monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "small_vae_round_trip", lambda: lambda image: image)


def test_it_prints_the_rows_and_the_goals_and_a_second_run_generates_nothing(
    config, network, statistics, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(evaluate.evaluate_steering, "__defaults__", (perfect_experts, network, statistics))
    steering(config)
    printed = " ".join(capsys.readouterr().out.split())
    assert "What steers tiny_styles.safetensors: 2 unseen styles" in printed
    assert "the teacher's own measure" in printed
    report = json.loads((config.output / SCORES_FILE).read_text())
    rows = {row["method"]: {key: mean["mean"] for key, mean in row["means"].items()} for row in report["rows"]}
    assert list(rows)[-2:] == [TEACHER_VAE, TEACHER]
    assert (rows[ALL]["own_texture"], rows[OTHER_EMBEDDING]["own_texture"]) == (1, 0)
    assert rows[ALL]["l1"] < rows[SHARED]["l1"] == rows[NEITHER]["l1"]
    assert [goal["outcome"] for goal in report["claims"]] == [HOLDS] * 3
    [run] = read_runs([str(config.output)])
    assert {image.method for image in run.images if image.file is not None} == set(rows) - {TEACHER_VAE, TEACHER}
    assert all(image.file is None or image.file.is_file() for image in run.images)
    assert Image.open(config.output / "sheet.jpg").height > 500
    again = evaluate_steering(config, no_generator, network, statistics)
    assert [goal.outcome for goal in again.goals] == [HOLDS] * 3


def test_experts_without_effect_reach_no_goal(config, network, statistics) -> None:
    found = evaluate_steering(config, no_effect, network, statistics)
    assert [goal.outcome for goal in found.goals[:2]] == [FAILS] * 2
    assert found.goals[2].numbers.startswith("50%")  # the nearest of two styles


def test_bad_options_are_refused_before_any_work(config, network, statistics, tmp_path) -> None:
    with pytest.raises(StorageError, match="the contact sheet is"):
        evaluate_steering(replace(config, sheet=tmp_path / "sheet.gif"), no_generator, network, statistics)
    with pytest.raises(TrainingError, match="styles is 1, expected 2 or more"):
        replace(config, styles=1)
    with pytest.raises(TrainingError, match="steps is 0"):
        replace(config, steps=0)
