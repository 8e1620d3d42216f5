"""The example workflow, changed for each kind of method."""

import json

import pytest
from styleroute.comfy_client.workflow import Prompt
from styleroute.evaluation.styles.sampling import PLAIN, Sampling
from styleroute.evaluation.styles.workflow import WORKFLOW, fill, method_workflow, with_other_reference


@pytest.fixture
def workflow() -> Prompt:
    """The nodes and links of the shipped workflow in API form, without the values of widgets."""
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


def only(graph: Prompt, class_type: str) -> dict:
    [node] = [node for node in graph.values() if node["class_type"] == class_type]
    return node


def before(graph: Prompt, node: dict) -> list[dict]:
    """The node and its dependencies, each once."""
    todo, found = [node], []
    while todo:
        node = todo.pop()
        if not any(node is other for other in found):
            found.append(node)
            todo += [graph[value[0]] for value in node["inputs"].values() if isinstance(value, list)]
    return found


def upstream(graph: Prompt) -> list[str]:
    """Classes of the nodes that the result depends on."""
    return [node["class_type"] for node in before(graph, only(graph, "SaveImage"))]


def images(graph: Prompt, node: dict) -> list[str]:
    """Titles of the Load Image nodes that a node depends on."""
    return sorted(found["_meta"]["title"] for found in before(graph, node) if found["class_type"] == "LoadImage")


def test_the_full_method_uses_the_workflow_without_preview_at_its_size_and_sampling(workflow) -> None:
    graph = method_workflow(workflow, True, True, Sampling(12, content=2.5), 512)
    expected = {key: node for key, node in workflow.items() if node["class_type"] != "StyleRoute_RoutingPreview"}
    only(expected, "StyleRoute_StyleGuider")["inputs"] |= {"content": 2.5, "style": 1.0}
    only(expected, "BasicScheduler")["inputs"]["steps"] = 12
    scales = [node for node in expected.values() if node["class_type"] == "ImageScale"]
    for node in scales:
        node["inputs"] |= {"width": 512, "height": 512}
    assert len(scales) == 2
    assert graph == expected


def test_the_content_is_the_first_reference_and_the_style_image_the_second(workflow) -> None:
    graph = method_workflow(workflow, False, True, PLAIN, 256)
    assert "StyleRoute_EncodeStyle" not in upstream(graph)
    method = only(graph, "FluxKontextMultiReferenceLatentMethod")
    second = graph[method["inputs"]["conditioning"][0]]
    first = graph[second["inputs"]["conditioning"][0]]
    assert [images(graph, node) for node in (first, second)] == [["Photo"], ["Photo", "Style image"]]


def test_without_the_style_reference_the_content_is_the_only_reference(workflow) -> None:
    graph = method_workflow(workflow, True, False, PLAIN, 256)
    used = upstream(graph)
    assert (used.count("ReferenceLatent"), len(used)) == (1, len(graph))
    assert "StyleRoute_EncodeStyle" in used
    assert images(graph, only(graph, "FluxGuidance")) == ["Photo"]


def test_pooled_routing_needs_no_style_image(workflow) -> None:
    graph = method_workflow(workflow, False, False, PLAIN, 256)
    assert [node["_meta"]["title"] for node in graph.values() if node["class_type"] == "LoadImage"] == ["Photo"]
    assert "StyleRoute_MoEApply" in upstream(graph)


def test_filling_in_files_prompt_and_seed_leaves_the_original_unchanged(workflow) -> None:
    graph = method_workflow(workflow, True, True, PLAIN, 256)
    original = json.dumps(graph)
    filled = fill(graph, "x.safetensors", "photo.png", "style.png", "a cat", 7)
    values = {(node["class_type"], node["_meta"]["title"]): node["inputs"] for node in filled.values()}
    assert values["LoadImage", "Photo"]["image"] == "photo.png"
    assert values["LoadImage", "Style image"]["image"] == "style.png"
    assert next(v for (kind, _), v in values.items() if kind == "RandomNoise")["noise_seed"] == 7
    assert next(v for (kind, _), v in values.items() if kind == "CLIPTextEncode")["text"] == "a cat"
    assert json.dumps(graph) == original


def test_another_reference_replaces_only_the_image_beside_the_photo(workflow) -> None:
    filled = fill(method_workflow(workflow, True, True, PLAIN, 256), "x", "photo.png", "style.png", "a cat", 7)
    graph = with_other_reference(filled, "other.png")

    def files(node: dict) -> set[str]:
        return {found["inputs"]["image"] for found in before(graph, node) if found["class_type"] == "LoadImage"}

    assert files(only(graph, "StyleRoute_EncodeStyle")) == {"style.png"}
    method = only(graph, "FluxKontextMultiReferenceLatentMethod")
    assert files(graph[method["inputs"]["conditioning"][0]]) == {"photo.png", "other.png"}
    assert "other.png" not in json.dumps(filled)
