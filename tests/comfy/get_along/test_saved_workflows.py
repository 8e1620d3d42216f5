"""Workflows saved with version 0.1.0: the same nodes, the same values, the same image. New inputs come last."""

import json

import numpy as np
import pytest
from PIL import Image
from styleroute.comfy_client import ComfyServer

from . import saved_workflows

pytestmark = pytest.mark.comfy

RECORDED = json.loads((saved_workflows.FOLDER / "recorded.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def photo(server: ComfyServer, tmp_path_factory) -> str:
    return server.upload_image(saved_workflows.draw_photo(tmp_path_factory.mktemp("photo") / "photo.png"))


@pytest.mark.parametrize("name", saved_workflows.NAMES)
def test_saved_values_arrive_at_the_same_inputs(server, name):
    prompt = saved_workflows.read(server, name)
    expected = RECORDED["inputs"][name]
    assert prompt.keys() == expected.keys()
    for node_id, inputs in expected.items():
        assert prompt[node_id]["inputs"] == inputs


@pytest.mark.parametrize("name", saved_workflows.NAMES)
def test_new_inputs_come_last_and_are_optional(server, name):
    info = server.object_info()
    for node_id, node in saved_workflows.read(server, name).items():
        if not node["class_type"].startswith("StyleRoute_"):
            continue
        declared = info[node["class_type"]]["input"]
        order = [*declared["required"], *declared.get("optional", {})]
        old = set(RECORDED["inputs"][name][node_id])
        new = [each for each in order if each not in old]
        assert not set(new) & set(declared["required"]), (node["class_type"], new)
        values = [each for each in order if each in old and not isinstance(node["inputs"][each], list)]
        widgets = [each for each in order if declared_kind(declared, each)]
        assert widgets[: len(values)] == values, node["class_type"]


def declared_kind(declared: dict, name: str) -> bool:
    """Whether an input is a widget, whose value the page saves by its position."""
    kind, *options = (declared["required"] | declared.get("optional", {}))[name]
    is_widget = isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
    return is_widget and not (options and options[0].get("forceInput"))


@pytest.mark.parametrize("name", saved_workflows.NAMES)
def test_the_image_is_the_same(server, photo, name):
    images = saved_workflows.run(server, saved_workflows.read(server, name), photo)
    (found,) = images["SaveImage"]
    assert found.size == (saved_workflows.SIDE, saved_workflows.SIDE)
    if saved_workflows.weights_id() != RECORDED["weights"]:
        pytest.skip("The demo's weights have changed since the image was recorded; see saved_workflows.py.")
    expected = Image.open(saved_workflows.FOLDER / f"{name}.png")
    difference = np.abs(np.asarray(found, dtype=float) - np.asarray(expected, dtype=float))
    assert difference.max() <= 2
