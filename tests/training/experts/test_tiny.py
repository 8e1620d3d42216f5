"""The small Kontext that ships with the pack as a base, with the preset of the shipped experts."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from styleroute.cli import main
from styleroute.moe import StyleExpert
from styleroute.paths import TINY_MODELS
from styleroute.training.experts import trainer as module

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"
SIDE = 256


@pytest.fixture
def large(data: Path, tmp_path: Path) -> Path:
    """The triplets with four times as many latent cells as a window of the preset."""
    folder = shutil.copytree(data, tmp_path / "large")
    for path in folder.rglob("*.png"):
        Image.open(path).resize((SIDE, SIDE)).save(path)
    return folder


def test_the_preset_trains_on_windows_and_on_whole_images(
    large: Path, comfyui: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, draw = [], module.draw

    def spy(examples, count, window, seed, number, grid):
        seen.append((count, window, examples.size, grid))
        return draw(examples, count, window, seed, number, grid)

    monkeypatch.setattr(module, "draw", spy)
    options = {"data": large, "encoder": SHIPPED, "run": tmp_path / "run", "cache": tmp_path / "cache"}
    options |= {"steps": 2, "batch": 4, "window": 16, "whole-share": 0.5, "validate-every": 0, "precision": "no"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    assert main(["train", "experts", "--preset", "small-wide", *arguments]) == 0
    assert seen == [(4, 16, (32, 32), 48), (1, None, (32, 32), 48)]

    expert, shipped = StyleExpert.open(tmp_path / "run" / "experts.safetensors"), StyleExpert.open(SHIPPED)
    assert expert.config == shipped.config
    assert expert.layers == shipped.layers
    summary = expert.training
    assert (summary["steps"], summary["style_reference"], summary["style_rows"]) == (2, True, 0)
    assert (summary["routing_dropout"], summary["window"], summary["whole_share"]) == (0.5, 16, 0.5)
