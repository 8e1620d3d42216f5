"""The example workflow in API form, changed for each method; everything that is not changed stays as users have it."""

import copy
from typing import Any

from ...paths import PACKAGE

WORKFLOW = PACKAGE / "example_workflows" / "style_transfer.json"
PHOTO, STYLE_PICTURE = "Photo", "Style picture"

Prompt = dict[str, dict[str, Any]]
"""A workflow in API form: nodes by id."""


def graph_for(prompt: Prompt, routed: bool, style_reference: bool) -> Prompt:
    """A copy of the workflow for one kind of method, without the picture of its routing.

    Args:
        prompt: the example workflow.
        routed: whether Encode Style reads the style picture; if not, the experts are one plain LoRA.
        style_reference: whether the style picture's latents are a second reference, at position index 2.
    """
    graph = copy.deepcopy(prompt)
    del graph[_of_class(graph, "StyleRoute_RoutingPreview")]
    if not routed:
        del graph[_of_class(graph, "StyleRoute_EncodeStyle")]
        del graph[_of_class(graph, "StyleRoute_MoEApply")]["inputs"]["style"]
    if style_reference:
        _add_style_reference(graph)
    if not routed and not style_reference:
        del graph[_titled(graph, STYLE_PICTURE)]
    return graph


def fill(graph: Prompt, expert: str, photo: str, style: str, text: str, seed: int) -> Prompt:
    """A copy with file names, prompt and seed; a graph that shows no style picture takes none."""
    filled = copy.deepcopy(graph)
    _inputs(filled, "StyleRoute_LoadStyleExpert")["expert"] = expert
    _inputs(filled, "CLIPTextEncode")["text"] = text
    _inputs(filled, "KSampler")["seed"] = seed
    for node in filled.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = photo if node["_meta"]["title"] == PHOTO else style
    return filled


def _add_style_reference(graph: Prompt) -> None:
    """Style picture -> size of the photo -> latents -> a second Reference Latent, told apart by position index."""
    sized = copy.deepcopy(graph[_of_class(graph, "ImageScale")])
    encoded = copy.deepcopy(graph[_of_class(graph, "VAEEncode")])
    first, guidance = _of_class(graph, "ReferenceLatent"), _inputs(graph, "FluxGuidance")
    sized["inputs"]["image"] = [_titled(graph, STYLE_PICTURE), 0]
    encoded["inputs"]["pixels"] = ["style_sized", 0]
    graph |= {
        "style_sized": sized,
        "style_encoded": encoded,
        "style_reference": _node("ReferenceLatent", conditioning=[first, 0], latent=["style_encoded", 0]),
        "reference_method": _node(
            "FluxKontextMultiReferenceLatentMethod",
            conditioning=["style_reference", 0],
            reference_latents_method="index",
        ),
    }
    guidance["conditioning"] = ["reference_method", 0]


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def _inputs(graph: Prompt, class_type: str) -> dict[str, Any]:
    return graph[_of_class(graph, class_type)]["inputs"]


def _of_class(graph: Prompt, class_type: str) -> str:
    return next(node_id for node_id, node in graph.items() if node["class_type"] == class_type)


def _titled(graph: Prompt, title: str) -> str:
    return next(node_id for node_id, node in graph.items() if node["_meta"]["title"] == title)
