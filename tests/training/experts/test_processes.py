"""Two processes on the CPU, started by `accelerate launch`, against one with twice the accumulation."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from styleroute.training.adapters.config import option_values, with_options
from styleroute.training.experts.config import ExpertsTrainConfig
from styleroute.training.experts.train_experts import train_experts

# With --cpu it starts one process, whatever the number; without a GPU the processes of --multi_gpu use the CPU.
LAUNCH = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]


def _options(config: ExpertsTrainConfig) -> list[str]:
    """The command line that gives this configuration."""
    adapter = config.model.adapter
    names = ("data", "base", "encoder", "vision", "rate", "batch", "steps", "precision", "run", "cache")
    options = {
        "adapter.experts": adapter.experts, "adapter.rank": adapter.rank, "adapter.shared-rank": adapter.shared_rank,
        "adapter.alpha": adapter.alpha, "style-reference": None,
    }  # fmt: skip
    options |= option_values(config, names)
    options |= {"save-every": config.run.save_every, "validate-every": config.run.validate_every}
    return [part for name, value in options.items() for part in (f"--{name}", str(value)) if part != "None"]


def _train(config: ExpertsTrainConfig) -> dict:
    command = [sys.executable, "-m", *LAUNCH, "-m", "styleroute.cli", "train", "experts"]
    done = subprocess.run([*command, *_options(config)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("Wrote ") == 1
    return _state(config.run.folder)


def _state(run: Path) -> dict:
    return torch.load(run / "checkpoint.pt", weights_only=True)


def test_two_processes_give_the_weights_of_one_with_twice_the_accumulation(config: ExpertsTrainConfig) -> None:
    config = with_options(config, rate=1e-3, steps=3, style_reference=True, validate_every=2)
    one = with_options(config, accumulation=2, run=config.run.folder / "one")
    train_experts(one)
    expected = _state(one.run.folder)
    # A cache of its own: one process fills it while the other waits.
    two = with_options(config, run=config.run.folder / "two", cache=config.run.folder / "cache")
    state = _train(two)
    assert state["losses"] == pytest.approx(expected["losses"], abs=1e-5)
    for name, weight in expected["adapter"].items():
        torch.testing.assert_close(state["adapter"][name], weight, rtol=0, atol=1e-5)
    assert (two.run.folder / "validation" / "000003.png").is_file()
