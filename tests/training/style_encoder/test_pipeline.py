"""`styleroute train encoder` from the data set to the file that the experts read, and what it refuses."""

import json
import os
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from styleroute.cli import main
from styleroute.errors import DataError, StorageError, TrainingError
from styleroute.evaluation.style_encoder.evaluate import evaluate_encoder
from styleroute.interruption import Stopped
from styleroute.moe import ExpertConfig, StyleExpert, save_expert
from styleroute.moe.inspecting import inspect_file
from styleroute.training.style_encoder.config import EncoderTrainConfig
from styleroute.training.style_encoder.pipeline import train_style_encoder
from styleroute.training.style_encoder.trainer import EncoderTrainer
from styleroute.training.style_encoder.vision import Vision, load_vision


def expert_file(folder: Path, cond_dim: int) -> Path:
    """An expert file without an encoder."""
    sizes = {"num_experts": 2, "rank": 1, "shared_rank": 0, "top_k": 1, "alpha": 1.0, "cond_dim": cond_dim}
    shapes = {"loraA": (2, 1, 4), "loraB": (2, 4, 1), "cond_gate.weight": (2, cond_dim)}
    stem = "transformer_blocks.0.attn.to_q.lora_layer"
    experts = {f"{stem}.{part}": torch.randn(shape) for part, shape in shapes.items()}
    save_expert(folder / "experts.safetensors", experts, ExpertConfig(kind="style-moe", **sizes), None)
    return folder / "experts.safetensors"


def test_the_trained_encoder_opens_beside_experts(config: EncoderTrainConfig, vision: Vision, tmp_path: Path) -> None:
    report = train_style_encoder(config, evaluate_encoder)
    encoder = StyleExpert.open(expert_file(tmp_path, 64), config.encoder_file).encoder
    assert encoder.config.taps == config.taps
    assert encoder.config.vision_model == config.vision
    trained = torch.load(config.run / "checkpoint.pt", weights_only=True)["encoder"]
    states = torch.randn(2, 4, 16, 24)
    assert torch.equal(encoder.state_dict()["projections.-3.weight"], trained["projections.-3.weight"])
    assert encoder(states).shape == (2, 64)
    assert [row.queries for row in report.rows] == [10, 10, 10]
    assert {"report.json", "styles.png", "config.json"} <= {path.name for path in config.run.iterdir()}


def test_the_file_has_its_training_summary(config: EncoderTrainConfig) -> None:
    from safetensors import safe_open

    report = train_style_encoder(config, evaluate_encoder)
    with safe_open(str(config.encoder_file), "pt") as file:
        training = json.loads(file.metadata()["styleroute"])["training"]
    assert (training["steps"], training["images"], training["styles"]) == (6, 15, 3)
    assert training["unseen_styles"]["recall_at_1"] == report.rows[0].recall_at_1
    inspected = inspect_file(config.encoder_file)
    assert (inspected.kind, inspected.problems) == ("style-encoder", [])
    assert inspected.encoder_config.vision_model == config.vision


def test_unseen_styles_are_found_far_above_chance(config: EncoderTrainConfig) -> None:
    report = train_style_encoder(replace(config, steps=80), evaluate_encoder)
    ours, _, chance = report.rows
    assert ours.recall_at_1 > 0.9
    assert ours.mean_average_precision > chance.mean_average_precision + 0.2


def test_a_stopped_run_goes_on_by_the_same_command_to_the_same_file(config: EncoderTrainConfig, tmp_path: Path) -> None:
    train_style_encoder(config)
    pieces = replace(config, run=tmp_path / "pieces")
    train_style_encoder(replace(pieces, steps=3))
    train_style_encoder(pieces)
    whole, resumed = (StyleExpert.open(expert_file(tmp_path, 64), c.encoder_file).encoder for c in (config, pieces))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_states_that_are_computed_at_each_step_train_like_cached_ones(
    config: EncoderTrainConfig, tmp_path: Path
) -> None:
    computed = replace(config, states="computed", run=tmp_path / "computed", cache=tmp_path / "no_cache")
    cached, other = (train_style_encoder(one, evaluate_encoder) for one in (config, computed))
    losses = [torch.load(one.run / "checkpoint.pt", weights_only=True)["losses"] for one in (config, computed)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert [row.recall_at_1 for row in other.rows] == [row.recall_at_1 for row in cached.rows]
    # The cache has one byte per image and no state.
    assert sorted(path.name for path in (tmp_path / "no_cache").rglob("*.npy")) == ["faults.npy"] * 2
    with pytest.raises(TrainingError, match="states = 'computed', this run has 'cached'"):
        train_style_encoder(replace(computed, states="cached"))


def test_computed_states_leave_out_broken_images(config: EncoderTrainConfig, capsys: pytest.CaptureFixture) -> None:
    broken = config.data / "train" / "level" / "2.png"
    broken.write_bytes(broken.read_bytes()[:80])
    train_style_encoder(replace(config, states="computed", steps=1))
    assert "Left out 1 of 15 train images" in capsys.readouterr().out


def test_sigterm_saves_and_the_same_command_goes_on(
    config: EncoderTrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pieces = (replace(config, run=tmp_path / name, save_every=100) for name in ("whole", "pieces"))
    train_style_encoder(whole)
    compute = EncoderTrainer.compute_gradients

    def terminated(trainer: EncoderTrainer, step: int) -> tuple:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return compute(trainer, step)

    with monkeypatch.context() as patch:
        patch.setattr(EncoderTrainer, "compute_gradients", terminated)
        with pytest.raises(Stopped):
            train_style_encoder(pieces)
    assert torch.load(pieces.run / "checkpoint.pt", weights_only=True)["step"] == 3
    train_style_encoder(pieces)
    assert load_file(pieces.encoder_file).keys() == load_file(whole.encoder_file).keys()
    assert all(torch.equal(load_file(pieces.encoder_file)[name], weight)
               for name, weight in load_file(whole.encoder_file).items())  # fmt: skip


def test_another_configuration_is_refused_and_nothing_is_lost(config: EncoderTrainConfig) -> None:
    train_style_encoder(config)
    before = config.encoder_file.read_bytes()
    with pytest.raises(TrainingError, match=r"holds a run with rate = 0\.003, this run has 0\.1"):
        train_style_encoder(replace(config, rate=0.1))
    assert config.encoder_file.read_bytes() == before


def test_broken_images_are_left_out_and_named(config: EncoderTrainConfig, capsys: pytest.CaptureFixture) -> None:
    broken = config.data / "train" / "level" / "2.png"
    broken.write_bytes(broken.read_bytes()[:80])
    train_style_encoder(config)
    shown = capsys.readouterr().out
    assert "Left out 1 of 15 train images" in shown
    assert "level/2.png" in shown.replace("\n", "")


def test_a_style_with_a_single_image_is_left_out_and_named(
    config: EncoderTrainConfig, capsys: pytest.CaptureFixture
) -> None:
    keep_only(config.data, "level", "0.png")
    train_style_encoder(config)
    assert "Left out 1 styles with a single image: level" in capsys.readouterr().out


def test_a_single_style_is_refused(config: EncoderTrainConfig) -> None:
    for style in ("level", "checked"):
        keep_only(config.data, style, "0.png")
    with pytest.raises(TrainingError, match=r"has 1 training styles with two readable .* expected at least 2"):
        train_style_encoder(config)
    assert not config.run.exists()


def test_a_image_under_two_styles_is_refused(config: EncoderTrainConfig) -> None:
    metadata = config.data / "train" / "metadata.jsonl"
    row = json.loads(metadata.read_text().splitlines()[0]) | {"style": "other", "style_id": 9}
    metadata.write_text(f"{metadata.read_text()}\n{json.dumps(row)}")
    with pytest.raises(TrainingError, match="has the styles 'upright' and 'other', expected one"):
        train_style_encoder(config)


def test_a_folder_that_is_no_data_set_is_refused_before_any_work(config: EncoderTrainConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a triplet dataset"):
        train_style_encoder(replace(config, data=tmp_path / "none", vision="none either"))
    assert not config.run.exists()


def test_a_result_that_cannot_be_written_is_refused_before_any_work(config: EncoderTrainConfig, tmp_path: Path) -> None:
    (tmp_path / "taken.safetensors").mkdir()
    with pytest.raises(StorageError, match=r"taken\.safetensors is a folder, expected a file name"):
        train_style_encoder(replace(config, output=tmp_path / "taken.safetensors", vision="none"))
    assert not config.run.exists()


@pytest.mark.parametrize("lost", ["test", "test/dotted"])
def test_without_two_unseen_styles_there_is_no_report(config: EncoderTrainConfig, lost: str) -> None:
    shutil.rmtree(config.data / lost)
    assert train_style_encoder(config, evaluate_encoder) is None
    assert config.encoder_file.exists()


def test_the_command_with_the_tiny_preset(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = {"data": data, "run": tmp_path / "run", "cache": tmp_path / "cache", "steps": 2, "batch": 8}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    assert main(["train", "encoder", "--preset", "tiny", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "Retrieval among 2 unseen styles, 10 queries" in shown
    assert "mean of last states" in shown
    encoder = StyleExpert.open(expert_file(tmp_path, 384), tmp_path / "run" / "style_encoder.safetensors").encoder
    assert encoder.config.vision_model == load_vision("tiny").file


def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "encoder", "--preset", "tiny", "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "is not a triplet dataset" in capsys.readouterr().err
    assert main(["train", "encoder", "--batch", "1"]) == 1
    assert "batch is 1, expected" in capsys.readouterr().err


def keep_only(data: Path, style: str, image: str) -> None:
    """Leaves one image to a training style, its own reference."""
    metadata = data / "train" / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text().splitlines()]
    kept = [row for row in rows if row["style"] != style or row["stylised_file_name"].endswith(image)]
    for row in kept:
        if row["style"] == style:
            row["reference_file_name"] = row["stylised_file_name"]
    metadata.write_text("\n".join(map(json.dumps, kept)))


def test_the_report_has_the_similarity_order_unless_the_network_is_missing(config: EncoderTrainConfig, capsys) -> None:
    report = train_style_encoder(
        config, partial(evaluate_encoder, network=lambda image: image[::32, ::32].ravel().astype(float))
    )
    ours, vision, random = report.rows
    assert -1 <= ours.similarity_order <= 1
    assert vision.similarity_order is not None
    assert random.similarity_order is None

    def missing(image: np.ndarray) -> np.ndarray:
        raise DataError("the network is missing")

    assert train_style_encoder(config, partial(evaluate_encoder, network=missing)).rows[0].similarity_order is None
    assert "Left out: the similarity order of styles, because the network is missing" in " ".join(
        capsys.readouterr().out.split()
    )
