"""Commands that answer at once: help pages, and output into a pipe that closes early."""

import subprocess
import sys
from pathlib import Path

import pytest
from styleroute.paths import TINY_MODELS

HEAVY = ("diffusers", "transformers", "peft", "accelerate", "torchvision", "scipy", "onnxruntime", "bitsandbytes")
"""Libraries that take seconds to import, and that no help page needs."""


def test_the_options_of_the_trainers_load_without_the_libraries_of_a_training() -> None:
    code = f"import sys, styleroute.cli.train; print(*({{*sys.modules}} & {{*{HEAVY}}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


@pytest.fixture(scope="module")
def expert_file() -> Path:
    return next(iter(sorted((TINY_MODELS / "style_experts").glob("*.safetensors"))))


def test_a_pipe_that_closes_early_gets_no_traceback(expert_file: Path) -> None:
    """As with `inspect FILE | head`."""
    command = [sys.executable, "-m", "styleroute.cli", "inspect", str(expert_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        shown = process.stderr.read()
    assert "Traceback" not in shown
    assert "BrokenPipe" not in shown
