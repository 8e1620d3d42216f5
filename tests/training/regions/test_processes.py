"""Two processes on the CPU, started by `accelerate launch`, against one with twice the accumulation."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from styleroute.training.adapters.config import option_values, with_options
from styleroute.training.regions.config import RegionTrainConfig
from styleroute.training.regions.train_regions import train_regions

# With --cpu it starts one process, whatever the number; without a GPU the processes of --multi_gpu use the CPU.
LAUNCH = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


def _options(config: RegionTrainConfig) -> list[str]:
    """The command line that gives this configuration."""
    names = ("data", "base", "rate", "batch", "accumulation", "steps", "precision", "run", "cache")
    options = option_values(config, names)
    options |= {"save-every": config.run.save_every, "validate-every": config.run.validate_every}
    parts = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [*parts, "--styles", *config.data.styles, "--blocks", config.objective.blocks, "--no-checkpointing"]


def _state(run: Path) -> dict:
    return torch.load(run / "woven" / "checkpoint.pt", weights_only=True)


def test_two_processes_give_the_weights_of_one_with_twice_the_accumulation(config: RegionTrainConfig) -> None:
    config = with_options(config, rate=1e-3, steps=3, validate_every=2)
    one = with_options(config, accumulation=2, run=config.run.folder / "one")
    train_regions(one)
    expected = _state(one.run.folder)
    # A cache of its own: one process fills it while the other waits.
    two = with_options(config, run=config.run.folder / "two", cache=config.run.folder / "cache")
    command = [sys.executable, "-m", *LAUNCH, "-m", "styleroute.cli", "train", "region"]
    done = subprocess.run([*command, *_options(two)], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Wrote ") == 1
    state = _state(two.run.folder)
    assert state["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    for name, weight in expected["adapter"].items():
        torch.testing.assert_close(state["adapter"][name], weight, rtol=0, atol=1e-5)
    assert (two.run.folder / "woven" / "validation" / "000003.png").is_file()
