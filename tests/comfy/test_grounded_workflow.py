"""`data grounded` through a real ComfyUI: a workflow of stock nodes stylises, and its errors are named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.cli import main
from styleroute.comfy_client import ComfyServer
from styleroute.dataset.region_manifest import read_manifest

from ..dataset.segmentation.folders import make_grounded_coco

pytestmark = pytest.mark.comfy

WORKFLOW = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "old.png"}, "_meta": {"title": "Photo [content]"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "old.png"}, "_meta": {"title": "Style image [style]"}},
    "3": {
        "class_type": "ImageScale",
        "inputs": {"image": ["2", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "center"},
        "_meta": {"title": "[width] [height]"},
    },
    "4": {
        "class_type": "ImageBlend",
        "inputs": {"image1": ["1", 0], "image2": ["3", 0], "blend_factor": 1.0, "blend_mode": "normal"},
        "_meta": {"title": "Blend"},
    },
    "5": {
        "class_type": "SaveImage",
        "inputs": {"images": ["4", 0], "filename_prefix": "grounded"},
        "_meta": {"title": "Save"},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (16, 16), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "flow.json").write_text(json.dumps(WORKFLOW), encoding="utf-8")
    return make_grounded_coco(tmp_path / "coco")


def run(server: ComfyServer, folder: Path, *styles: str) -> int:
    options = ("--size", "32", "--photos", "2", "--workflow", str(folder.parent / "flow.json"), "--server", server.url)
    return main(["data", "grounded", str(folder), str(folder.parent / "set"), *options, "--styles", *styles])


def test_a_workflow_stylises_the_objects(server: ComfyServer, folder: Path):
    images = {name: f"{name}={folder.parent / name}.png" for name in ("red", "blue")}
    assert run(server, folder, *images.values()) == 0
    examples = read_manifest(folder.parent / "set")
    assert len(examples) == 4
    for example in examples:
        [region] = example.regions
        original, styled, mask = (
            np.asarray(Image.open(path)) for path in (example.original, example.styled, region.mask)
        )
        assert (styled[mask == 255] == ((255, 0, 0) if region.style == "red" else (0, 0, 255))).all()
        assert np.array_equal(styled[mask == 0], original[mask == 0])


def test_a_workflow_that_does_not_fit_is_refused_before_any_work(
    server: ComfyServer, folder: Path, capsys: pytest.CaptureFixture
):
    assert run(server, folder, "ink") == 1
    assert "flow.json has no tag [prompt] in the title of a node, but the style 'ink' needs it" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (folder.parent / "set").exists()
