"""Curves in TensorBoard's files, and in a tracker: wandb and trackio are not installed here, so stand-ins record."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from styleroute.errors import TrainingError
from styleroute.training import curves as module
from styleroute.training.curves import Curves, require_tracker
from styleroute.training.run_folder import RunFolder
from styleroute.training.tiny.train_vision import VisionConfig


class Tracker(ModuleType):
    """Has the functions of wandb and trackio, and records their calls."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.started: list[dict[str, Any]] = []
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.finished = 0
        self.Image = lambda pixels: ("image", pixels.shape, pixels.dtype)

    def init(self, **options: Any) -> None:
        self.started.append(options)

    def log(self, values: dict[str, Any], step: int) -> None:
        self.logged.append((step, values))

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Tracker]:
    def install(name: str) -> Tracker:
        monkeypatch.setitem(sys.modules, name, tracker := Tracker(name))
        return tracker

    return install


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_gets_the_values_of_tensorboard(tmp_path: Path, install: Callable, name: str) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = install(name)
    for step in (0, 10):  # the second start continues the run of the first
        curves = Curves(tmp_path / "run", name, {"rate": 0.1})
        curves.open()
        curves.add({"loss": 0.5, "rate": 0.1}, step)
        curves.close()
    assert tracker.logged == [(step, {"loss": 0.5, "rate": 0.1}) for step in (0, 10)]
    assert tracker.finished == 2
    first, second = tracker.started
    assert first == second
    assert (first["project"], first["config"], first["resume"]) == ("styleroute", {"rate": 0.1}, "allow")
    assert first["name"].startswith("run-")
    assert ("id" in first) == (name == "wandb")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 10]


def test_a_tracker_gets_images_of_eight_bits(tmp_path: Path, install: Callable) -> None:
    tracker = install("trackio")
    curves = Curves(tmp_path, "trackio")
    curves.add_image("validation", np.ones((4, 6, 3), np.float32), 5)
    curves.close()
    assert tracker.logged == [(5, {"validation": ("image", (4, 6, 3), np.dtype("uint8"))})]


def test_a_missing_package_is_one_sentence_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    require_tracker("none")
    with pytest.raises(TrainingError, match=r"--tracker wandb needs the package wandb, .* run `pip install wandb`"):
        RunFolder(tmp_path / "run", VisionConfig(), tracker="wandb")
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_cannot_start_stops_the_run_before_its_first_step(tmp_path: Path, install: Callable) -> None:
    def refuse(**options: Any) -> None:
        raise RuntimeError("no login\nlong trace")

    install("wandb").init = refuse
    with pytest.raises(TrainingError, match=r"wandb cannot start \(RuntimeError: no login\)\. Check its login"):
        RunFolder(tmp_path / "run", VisionConfig(), tracker="wandb").begin()


def test_nothing_is_opened_without_a_value(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "run")
    curves.open()
    curves.close()
    assert not (tmp_path / "run").exists()
