"""The example workflow for regions in API form, with a node that gives its maps as numbers."""

import copy
from typing import Any

from ...paths import PACK

WORKFLOW = PACK / "example_workflows" / "region_style.json"
SAMPLER, READER = "StyleRoute_RegionRouteSampler", "read_maps"

Prompt = dict[str, dict[str, Any]]
"""A workflow in API form: nodes by id."""


def with_reader(prompt: Prompt) -> Prompt:
    """A copy that also tells the sampler's maps."""
    graph = copy.deepcopy(prompt)
    graph[READER] = {
        "class_type": "Evidence_ReadMaps",
        "inputs": {"attention_maps": [_of_class(graph, SAMPLER), 1]},
        "_meta": {"title": READER},
    }
    return graph


def fill(graph: Prompt, *, photo: str, text: str, seed: int, expert: str, lock: float, blocks: str) -> Prompt:
    """A copy with file names, prompt and settings; `expert` is a file of Load StyleExpert's list, or "none"."""
    filled = copy.deepcopy(graph)
    _inputs(filled, "LoadImage")["image"] = photo
    _inputs(filled, "StyleRoute_RegionPrompt")["text"] = text
    _inputs(filled, SAMPLER).update(seed=seed, region_expert=expert, background_lock=lock, blocks=blocks)
    return filled


def _inputs(graph: Prompt, class_type: str) -> dict[str, Any]:
    return graph[_of_class(graph, class_type)]["inputs"]


def _of_class(graph: Prompt, class_type: str) -> str:
    return next(node_id for node_id, node in graph.items() if node["class_type"] == class_type)
