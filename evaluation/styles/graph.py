"""The example workflow in API form, changed for each method; everything that is not changed stays as users have it."""

import copy
from typing import Any

from ...paths import PACK

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"
PHOTO, BESIDE = "Photo", "Style image beside the photo"

Prompt = dict[str, dict[str, Any]]
"""A workflow in API form: nodes by id."""


def graph_for(prompt: Prompt, routed: bool, style_reference: bool) -> Prompt:
    """A copy of the workflow for one kind of method, without the image of its routing.

    Args:
        prompt: the example workflow.
        routed: whether Encode Style reads the style image; if not, the experts are one plain LoRA.
        style_reference: whether the style image's latents are a second reference, as in the workflow.
    """
    graph = copy.deepcopy(prompt)
    if not routed:
        del graph[_of_class(graph, "StyleRoute_EncodeStyle")]
        del graph[_of_class(graph, "StyleRoute_MoEApply")]["inputs"]["style"]
    if not style_reference:
        _bypass(graph, _titled(graph, BESIDE))
    return _reached(graph)


def fill(graph: Prompt, expert: str, photo: str, style: str, text: str, seed: int) -> Prompt:
    """A copy with file names, prompt and seed; a graph that shows no style image takes none."""
    filled = copy.deepcopy(graph)
    _inputs(filled, "StyleRoute_LoadStyleExpert")["expert"] = expert
    _inputs(filled, "CLIPTextEncode")["text"] = text
    _inputs(filled, "KSampler")["seed"] = seed
    for node in filled.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = photo if node["_meta"]["title"] == PHOTO else style
    return filled


def _bypass(graph: Prompt, reference: str) -> None:
    """What follows a Reference Latent follows what it follows, as when it is bypassed on the page."""
    before = graph.pop(reference)["inputs"]["conditioning"]
    for node in graph.values():
        for name, value in node["inputs"].items():
            if value == [reference, 0]:
                node["inputs"][name] = before


def _reached(graph: Prompt) -> Prompt:
    """The nodes that the result depends on."""
    todo, found = [_of_class(graph, "SaveImage")], set[str]()
    while todo:
        found.add(node_id := todo.pop())
        todo += [value[0] for value in graph[node_id]["inputs"].values() if isinstance(value, list)]
    return {node_id: node for node_id, node in graph.items() if node_id in found}


def _inputs(graph: Prompt, class_type: str) -> dict[str, Any]:
    return graph[_of_class(graph, class_type)]["inputs"]


def _of_class(graph: Prompt, class_type: str) -> str:
    return next(node_id for node_id, node in graph.items() if node["class_type"] == class_type)


def _titled(graph: Prompt, title: str) -> str:
    return next(node_id for node_id, node in graph.items() if node["_meta"]["title"] == title)
