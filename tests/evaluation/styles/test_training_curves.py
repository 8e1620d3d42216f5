from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.evaluation.styles.training_curves import plot_curves, read_curves, smooth
from torch.utils.tensorboard import SummaryWriter


def write(run: Path, steps: range, offset: float) -> None:
    with SummaryWriter(str(run / "tensorboard")) as writer:
        for step in steps:
            writer.add_scalar("loss", offset + step, step)


def test_a_resumed_run_is_one_curve_with_the_last_loss_of_each_step(tmp_path) -> None:
    write(tmp_path / "run", range(0, 6), offset=0)
    later = tmp_path / "later"
    write(later, range(4, 8), offset=100)
    for file in (later / "tensorboard").iterdir():  # the second part of the same run
        file.rename(tmp_path / "run" / "tensorboard" / f"{file.name}.later")
    steps, losses = read_curves({"run": tmp_path / "run"})["run"]
    assert steps.tolist() == list(range(8))
    assert losses.tolist() == [0, 1, 2, 3, 104, 105, 106, 107]


def test_the_running_mean_of_a_constant_is_the_constant() -> None:
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0))
    assert smooth(np.array([0.0, 1.0]), decay=0.5)[1] == pytest.approx(1 / 1.5)


def test_runs_without_a_curve_are_left_out_by_name(tmp_path, capsys) -> None:
    (tmp_path / "empty" / "tensorboard").mkdir(parents=True)
    assert read_curves({"gone": tmp_path / "gone", "empty": tmp_path / "empty"}) == {}
    printed = capsys.readouterr().out
    assert "gone" in printed
    assert "empty" in printed


def test_the_plot_is_an_image_and_no_curve_gives_no_plot(tmp_path) -> None:
    curve = (np.arange(40), np.linspace(1, 0.4, 40))
    path = plot_curves(tmp_path / "new" / "curves.png", {"full": curve, "single LoRA": curve})
    assert Image.open(path).width > 800
    assert plot_curves(tmp_path / "none.png", {}) is None
