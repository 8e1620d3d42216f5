"""The example workflow as each method needs it."""

import json

import pytest
from styleroute.training.evidence.styles.graph import WORKFLOW, Prompt, fill, graph_for


@pytest.fixture(scope="module")
def workflow() -> Prompt:
    """The shipped workflow's nodes and wires in API form, without the values of widgets."""
    page = json.loads(WORKFLOW.read_text())
    sources = {link[0]: [str(link[1]), link[2]] for link in page["links"]}
    return {
        str(node["id"]): {
            "class_type": node["type"],
            "inputs": {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot.get("link")},
            "_meta": {"title": node.get("title") or node["type"]},
        }
        for node in page["nodes"]
        if node["type"] != "MarkdownNote"
    }


def upstream(graph: Prompt) -> list[str]:
    """Classes of all nodes that the result depends on, in the order of a walk from it."""
    todo, found = [next(key for key, node in graph.items() if node["class_type"] == "SaveImage")], []
    while todo:
        node = graph[todo.pop()]
        found.append(node["class_type"])
        todo += [value[0] for value in node["inputs"].values() if isinstance(value, list)]
    return found


def test_the_full_method_is_the_workflow_without_its_preview(workflow) -> None:
    graph = graph_for(workflow, routed=True, style_reference=False)
    preview = next(key for key, node in workflow.items() if node["class_type"] == "StyleRoute_RoutingPreview")
    assert graph == {key: node for key, node in workflow.items() if key != preview}


def test_a_plain_lora_sees_the_style_picture_as_second_reference_alone(workflow) -> None:
    graph = graph_for(workflow, routed=False, style_reference=True)
    used = upstream(graph)
    assert "StyleRoute_EncodeStyle" not in used
    assert (used.count("ReferenceLatent"), used.count("LoadImage") > 1) == (2, True)
    method = graph["reference_method"]["inputs"]
    assert method["reference_latents_method"] == "index"
    # The content comes first, so that its index stays 1.
    first = graph[graph[method["conditioning"][0]]["inputs"]["conditioning"][0]]
    assert first["class_type"] == "ReferenceLatent"
    assert first["inputs"]["latent"] == next(
        node["inputs"]["latent"] for node in workflow.values() if node["class_type"] == "ReferenceLatent"
    )


def test_pooled_routing_leaves_no_style_picture(workflow) -> None:
    graph = graph_for(workflow, routed=False, style_reference=False)
    assert [node["_meta"]["title"] for node in graph.values() if node["class_type"] == "LoadImage"] == ["Photo"]
    assert "StyleRoute_MoEApply" in upstream(graph)


def test_files_prompt_and_seed_are_filled_in_and_the_graph_stays(workflow) -> None:
    graph = graph_for(workflow, routed=True, style_reference=True)
    before = json.dumps(graph)
    filled = fill(graph, "x.safetensors", "photo.png", "style.png", "a cat", 7)
    values = {(node["class_type"], node["_meta"]["title"]): node["inputs"] for node in filled.values()}
    assert values["LoadImage", "Photo"]["image"] == "photo.png"
    assert values["LoadImage", "Style picture"]["image"] == "style.png"
    assert next(v for (kind, _), v in values.items() if kind == "KSampler")["seed"] == 7
    assert next(v for (kind, _), v in values.items() if kind == "CLIPTextEncode")["text"] == "a cat"
    assert json.dumps(graph) == before
