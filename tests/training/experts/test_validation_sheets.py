"""Validation during a training: sheets of images, images beside the curves, and the held-out loss."""

import json
import shutil
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.dataset.triplets import Triplet, read_triplets
from styleroute.errors import TrainingError
from styleroute.flux.noise import sampler_sigmas
from styleroute.flux.velocity import Reference, predict_velocity
from styleroute.training.adapters.config import with_options
from styleroute.training.bases import Base
from styleroute.training.experts.conditions import load_condition
from styleroute.training.experts.config import ExpertsTrainConfig
from styleroute.training.experts.examples import make_examples
from styleroute.training.experts.routed_linear import BatchStyle, add_experts, trained_state
from styleroute.training.experts.train_experts import train_experts


def test_validation_writes_a_sheet_with_unseen_styles_first(config: ExpertsTrainConfig) -> None:
    train_experts(with_options(config, steps=3, validate_every=2))
    sheets = sorted((config.run.folder / "validation").iterdir())
    assert [sheet.name for sheet in sheets] == ["000002.png", "000003.png"]  # every second, and the last
    pixels = np.array(Image.open(sheets[0]))
    assert pixels.shape == (2 * 64, 4 * 64, 3)  # yellow and red; content, style, result and target


def test_validation_images_are_logged_beside_the_curves(config: ExpertsTrainConfig) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_experts(with_options(config, steps=3, validate_every=2))
    shown = EventAccumulator(str(config.run.folder / "tensorboard"), {"images": 0}).Reload()
    assert shown.Tags()["images"] == ["validation"]
    images = shown.Images("validation")
    assert [image.step for image in images] == [2, 3]
    sheets = [np.array(Image.open(path)) for path in sorted((config.run.folder / "validation").iterdir())]
    for image, sheet in zip(images, sheets, strict=True):
        pixels = np.array(Image.open(BytesIO(image.encoded_image_string))).astype(int)
        assert pixels.shape == sheet.shape
        assert abs(pixels - sheet).max() <= 1  # one is rounded, the other truncated


def test_validation_changes_nothing_in_the_training(config: ExpertsTrainConfig) -> None:
    seen, blind = (with_options(config, steps=3, run=config.run.folder / name, validate_every=every)
                   for name, every in (("seen", 1), ("blind", 0)))  # fmt: skip
    train_experts(seen)
    train_experts(blind)
    one, other = (torch.load(run.run.folder / "checkpoint.pt", weights_only=True)["losses"] for run in (seen, blind))
    assert one == other


def _without_test_split(config: ExpertsTrainConfig, own_data: Path) -> ExpertsTrainConfig:
    shutil.rmtree(own_data / "test")
    return with_options(config, data=own_data, cache=own_data / "cache")


def _scalars(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(run / "tensorboard")).Reload()


def test_the_held_out_loss_is_that_of_the_test_split(config: ExpertsTrainConfig, base: Base) -> None:
    train_experts(config := with_options(config, steps=2, validate_every=2))
    [event] = _scalars(config.run.folder).Scalars("held-out/loss")
    assert event.step == 2
    # The same by a plain loop: the weights of the file, one triplet at a time, the noise of its number.
    condition = load_condition(config.model, "cpu")
    tested = make_examples(read_triplets(config.data.folder, "test"), base, condition, config.run.folder / "cache")
    assert len(tested) == 6
    model, style = base.transformer(), BatchStyle()
    routed = add_experts(model, style, config.model.adapter)
    state = torch.load(config.run.folder / "checkpoint.pt", weights_only=True)["adapter"]
    for name, weight in trained_state(routed).items():
        weight.data.copy_(state[name])
    losses = []
    for index, row in enumerate(_in_order_of_the_sheet(tested.triplets)):
        generator = torch.Generator().manual_seed(index)
        target = tested.latents([row.stylised])
        noise = torch.randn(target.shape, generator=generator)
        sigma = sampler_sigmas(1, generator)
        style.set(tested.style([row.reference]))
        noisy, reference = (1 - sigma) * target + sigma * noise, Reference(tested.latents([row.content]))
        guidance = torch.tensor([config.objective.guidance])
        with torch.no_grad():
            found = predict_velocity(model, noisy, [reference], sigma, tested.prompts.of([row.prompt]), guidance)
        losses.append((found - (noise - target)).square().mean().item())
    assert event.value == pytest.approx(sum(losses) / 6, rel=1e-4)


def _in_order_of_the_sheet(triplets: Sequence[Triplet]) -> list[Triplet]:
    """One triplet of each style first, unseen styles before known ones, then the others."""
    first = [next(row for row in triplets if row.style == style) for style in ("yellow", "red")]
    return [*first, *(row for row in triplets if row not in first)]


def test_without_a_test_split_the_sheet_shows_training_images(
    config: ExpertsTrainConfig, own_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _without_test_split(config, own_data)
    train_experts(with_options(config, steps=1, validate_every=1))
    pixels = np.array(Image.open(config.run.folder / "validation" / "000001.png"))
    assert pixels.shape == (3 * 64, 4 * 64, 3)  # red, green and blue
    assert "held-out/loss" not in _scalars(config.run.folder).Tags()["scalars"]
    assert "has no test split: validation shows training images" in " ".join(capsys.readouterr().out.split())


def test_a_sheet_may_show_training_images_beside_the_held_out_loss(config: ExpertsTrainConfig) -> None:
    train_experts(with_options(config, steps=1, validate_every=1, validate_on="train"))
    assert np.array(Image.open(config.run.folder / "validation" / "000001.png")).shape == (3 * 64, 4 * 64, 3)
    assert len(_scalars(config.run.folder).Scalars("held-out/loss")) == 1


def test_a_sheet_of_the_users_own_images(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), "navy").save(tmp_path / "cat.png")
    Image.new("RGB", (30, 50), "orange").save(tmp_path / "oil.png")
    row = {"image": "cat.png", "style": "oil.png", "prompt": "a photo of a"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(row))
    own = with_options(config, steps=1, validate_every=1, samples=tmp_path / "samples.jsonl", cache=tmp_path / "cache")
    train_experts(own)
    names = sorted(path.name for path in (config.run.folder / "validation").iterdir())
    assert names == ["000001.png", "own_000001.png"]
    assert np.array(Image.open(config.run.folder / "validation" / "own_000001.png")).shape == (64, 3 * 64, 3)


def test_own_samples_are_checked_before_any_work(config: ExpertsTrainConfig, tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"image": "none.png", "style": "none.png", "prompt": ""}')
    with pytest.raises(TrainingError, match=r"names the image .*none\.png, which is missing or broken"):
        train_experts(with_options(config, samples=tmp_path / "samples.jsonl", base="none"))
    assert not config.run.folder.exists()
