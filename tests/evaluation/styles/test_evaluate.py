"""The whole evaluation on handmade triplets with the shipped experts; ComfyUI and the network are stand-ins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image
from styleroute.cli.evaluate import styles
from styleroute.errors import StorageError
from styleroute.evaluation.json_report import SCORES_FILE
from styleroute.evaluation.method_scores import MethodScores
from styleroute.evaluation.report.runs import read_runs
from styleroute.evaluation.styles import evaluate
from styleroute.evaluation.styles.baselines import PHOTO
from styleroute.evaluation.styles.config import StyleEvaluationConfig
from styleroute.evaluation.styles.evaluate import evaluate_styles
from styleroute.evaluation.styles.expert_overlap import CHANCE, SAME
from styleroute.evaluation.styles.methods import GUIDED, NO_ENCODER, SINGLE_LORA, WIDE
from styleroute.evaluation.styles.unseen_loss import NO_EXPERTS, UnseenLoss


@contextmanager
def copy_style() -> Iterator:
    """A generator that returns the style image."""
    yield lambda job: Image.open(job.style).convert("RGB").resize((job.side, job.side))


@contextmanager
def no_generator() -> Iterator:
    raise AssertionError("all images exist already")
    yield


@pytest.fixture
def fakes(monkeypatch) -> None:
    """Replaces the losses and the VAE, which take long; `test_unseen_loss.py` and `test_scores.py` compute them."""

    def unseen_losses(methods, trials, folder) -> list[MethodScores]:
        names = [NO_EXPERTS, *(method.name for method in methods)]
        pairs = [(number, UnseenLoss(0.5)) for number in range(len(trials.triplets))]
        return [MethodScores.from_pairs(name, pairs, len(trials.photos)) for name in names]

    monkeypatch.setattr(evaluate, "unseen_losses", unseen_losses)
    monkeypatch.setattr(evaluate, "small_vae_round_trip", lambda: lambda image: image)


@pytest.fixture
def config(data, tmp_path, write_lora, write_moe) -> StyleEvaluationConfig:
    return StyleEvaluationConfig(
        data=data,
        full=tmp_path / "missing.safetensors",
        single_lora=write_lora(),
        no_encoder=write_moe(),
        style_reference=tmp_path / "missing.safetensors",
        photos=1,
        seeds=2,
        output=tmp_path / "evaluation",
    )


def test_it_writes_tables_images_and_json_and_a_second_run_generates_nothing(
    config, network, statistics, fakes, monkeypatch, capsys, tmp_path
) -> None:
    monkeypatch.setattr(evaluate.evaluate_styles, "__defaults__", (copy_style, network, statistics))
    styles(config)
    printed = capsys.readouterr().out
    assert "Left out: full + style reference, because" in printed
    assert "2 unseen styles, unseen photos" in printed
    assert "Tested 30 claims" in printed
    report = json.loads((config.output / SCORES_FILE).read_text())
    assert report["left_out"] == ["full", "full + style reference"]
    assert {row["name"] for row in report["overlap"]["rows"]} >= {SAME, CHANCE}
    assert all(row["untrained_iou"] is not None for row in report["overlap"]["rows"] if row["name"] != CHANCE)
    losses = {row["method"]: row["means"]["loss"]["mean"] for row in report["losses"]}
    assert set(losses) == {NO_EXPERTS, SINGLE_LORA, NO_ENCODER, WIDE}
    [run] = read_runs([str(config.output)])
    kept = [image for image in run.images if image.file is not None]
    assert {image.method for image in kept} == {SINGLE_LORA, NO_ENCODER, WIDE, GUIDED}
    assert all(image.file.is_file() and image.inputs["style image"].is_file() for image in kept)
    assert {image.method for image in run.images if image.protocol == "styles, losses"} == set(losses)
    assert run.routing is not None
    assert [round(sum(shares)) for shares in run.routing.usage] == [2] * len(run.routing.layers)
    assert len(run.routing.points) == 12
    rows = {row["method"]: row for row in report["groups"][0]["rows"]}
    assert [len(rows[name]["images"]) for name in (SINGLE_LORA, NO_ENCODER, WIDE, GUIDED)] == [4] * 4
    assert rows[WIDE]["means"]["style_similarity"]["mean"] > rows[PHOTO]["means"]["style_similarity"]["mean"]
    assert (Image.open(config.output / "sheet.jpg").width, Image.open(config.output / "methods.png").height) > (
        500,
        500,
    )
    again = evaluate_styles(replace(config, seen=True, sheet=tmp_path / "readme.png"), copy_style, network, statistics)
    assert [group.kind for group in again.groups] == ["unseen", "seen"]
    assert (tmp_path / "readme.png").exists()
    again = evaluate_styles(replace(config, loss_photos=0), no_generator, network, statistics)
    assert again.losses == []


def test_an_unknown_sheet_format_is_refused_before_any_work(config, network, statistics, tmp_path) -> None:
    with pytest.raises(StorageError, match="the contact sheet is"):
        evaluate_styles(replace(config, sheet=tmp_path / "sheet.gif"), no_generator, network, statistics)
