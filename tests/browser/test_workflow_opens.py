"""The example workflows open in ComfyUI's page on a real server, and every node is known."""

import json
from pathlib import Path

import pytest
from styleroute.paths import PACK

pytestmark = pytest.mark.browser

WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))
OPEN = """
const [workflow, done] = arguments;
window.app.loadGraphData(workflow).then(() => {
  const nodes = window.app.graph.nodes ?? window.app.graph._nodes;
  done(nodes.map((node) => ({
    type: node.type,
    known: node.type in window.LiteGraph.registered_node_types && !node.has_errors,
    linked: (node.inputs ?? []).filter((input) => input.link != null).map((input) => input.name),
    widgets: Object.fromEntries((node.widgets ?? []).map((widget) => [widget.name, widget.value])),
  })));
}, (error) => done(String(error)));
"""


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_node_is_missing(page, path: Path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = page.execute_async_script(OPEN, workflow)
    assert isinstance(nodes, list), nodes
    assert len(nodes) == len(workflow["nodes"])
    assert [node["type"] for node in nodes if not node["known"]] == []


def test_style_links_and_values_arrive_at_their_inputs(page):
    workflow = json.loads((PACK / "example_workflows" / "style_transfer.json").read_text(encoding="utf-8"))
    nodes = {node["type"]: node for node in page.execute_async_script(OPEN, workflow)}
    assert {"model", "style_expert", "style"} <= set(nodes["StyleRoute_MoEApply"]["linked"])
    assert nodes["StyleRoute_MoEApply"]["widgets"]["strength"] == 1.0
    guider, schedule = nodes["StyleRoute_StyleGuider"], nodes["BasicScheduler"]
    assert {"model", "conditioning"} == set(guider["linked"])
    assert guider["widgets"] == {"content": 2.0, "style": 1.0}
    assert schedule["widgets"] | {"steps": 8, "scheduler": "simple"} == schedule["widgets"]


def test_region_links_and_values_arrive_at_their_inputs(page):
    workflow = json.loads((PACK / "example_workflows" / "region_style.json").read_text(encoding="utf-8"))
    nodes = {node["type"]: node for node in page.execute_async_script(OPEN, workflow)}
    sampler, prompt = nodes["StyleRoute_RegionRouteSampler"], nodes["StyleRoute_RegionPrompt"]
    assert set(sampler["linked"]) == {"model", "positive", "latent_image"}
    expected = {"steps": 20, "region_expert": "auto", "region": "style", "background_lock": 0.0, "blocks": "auto"}
    assert sampler["widgets"] | expected == sampler["widgets"]
    assert prompt["widgets"]["text"].startswith("make the guitar in indigo dots style")
    preview = nodes["StyleRoute_AttentionMapPreview"]
    assert preview["widgets"] | {"span": "style", "opacity": 0.6} == preview["widgets"]


def test_each_object_arrives_at_its_moe_apply(page):
    workflow = json.loads((PACK / "example_workflows" / "two_objects_two_styles.json").read_text(encoding="utf-8"))
    nodes = page.execute_async_script(OPEN, workflow)
    applied = [node for node in nodes if node["type"] == "StyleRoute_MoEApply"]
    assert [node["widgets"]["object"] for node in applied] == ["the guitar", "the owl"]
    for node in applied:
        assert {"model", "style_expert", "style"} <= set(node["linked"])
        assert (
            node["widgets"] | {"strength": 1.0, "method": "auto", "object_size": 0.08, "hold_from_step": 2}
            == node["widgets"]
        )
    references = next(node for node in nodes if node["type"] == "StyleRoute_StyleReferences")
    assert {"image", "image_2"} <= set(references["linked"])
