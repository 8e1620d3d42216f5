"""The example workflow for regions in API form, with an output node that returns the attention maps as numbers."""

import copy

from ...comfy_client.workflow import Prompt, inputs_of, node_of_class
from ...paths import PACK

WORKFLOW = PACK / "example_workflows" / "region_style.json"
SAMPLER = "StyleRoute_RegionRouteSampler"
MAP_READER = "read_maps"
"""Id and title of the node that returns the maps."""


def with_map_reader(workflow: Prompt) -> Prompt:
    """A copy with the node of `evaluation/comfy_pack` behind the sampler."""
    prompt = copy.deepcopy(workflow)
    prompt[MAP_READER] = {
        "class_type": "Evaluation_ReadMaps",
        "inputs": {"attention_maps": [node_of_class(prompt, SAMPLER), 1]},
        "_meta": {"title": MAP_READER},
    }
    return prompt


def fill(prompt: Prompt, *, photo: str, text: str, seed: int, expert: str, lock: float, blocks: str) -> Prompt:
    """A copy with file names, text prompt and settings; `expert` is a file in the sampler's list, or "none"."""
    filled = copy.deepcopy(prompt)
    inputs_of(filled, "LoadImage")["image"] = photo
    inputs_of(filled, "StyleRoute_RegionPrompt")["text"] = text
    inputs_of(filled, SAMPLER).update(seed=seed, region_expert=expert, background_lock=lock, blocks=blocks)
    return filled
