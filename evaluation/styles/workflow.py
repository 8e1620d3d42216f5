"""The example workflow for styles in API form, changed for each method, and sampled without guidance.

The dials of Style Guider are neutral, so that the scores compare the experts alone. All other settings stay as users
get them.
"""

import copy

from ...comfy_client.workflow import Prompt, find_node, inputs_of, node_of_class
from ...paths import PACK

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"
PHOTO, STYLE_REFERENCE = "Photo", "Style image beside the photo"
"""Titles of nodes in the workflow."""
STEPS = 20
"""Sampling steps without guidance."""
NEUTRAL = {"content": 1.0, "style": 1.0}
"""The dials of Style Guider without effect."""


def method_workflow(workflow: Prompt, routed: bool, style_reference: bool) -> Prompt:
    """A copy of the workflow for one kind of method, without its Routing Preview and without guidance.

    Args:
        workflow: the example workflow.
        routed: whether Encode Style reads the style image. If not, the expert file is one plain LoRA.
        style_reference: whether the style image's latents are a second reference, as in the example workflow.
    """
    prompt = copy.deepcopy(workflow)
    inputs_of(prompt, "StyleRoute_StyleGuider").update(NEUTRAL)
    inputs_of(prompt, "BasicScheduler")["steps"] = STEPS
    if not routed:
        del prompt[node_of_class(prompt, "StyleRoute_EncodeStyle")]
        del inputs_of(prompt, "StyleRoute_MoEApply")["style"]
    if not style_reference:
        _bypass(prompt, find_node(prompt, STYLE_REFERENCE))
    return _needed_nodes(prompt)


def fill(prompt: Prompt, expert: str, photo: str, style: str, text: str, seed: int) -> Prompt:
    """A copy with file names, text prompt and seed; `style` is unused in a prompt without a style image."""
    filled = copy.deepcopy(prompt)
    inputs_of(filled, "StyleRoute_LoadStyleExpert")["expert"] = expert
    inputs_of(filled, "CLIPTextEncode")["text"] = text
    inputs_of(filled, "RandomNoise")["noise_seed"] = seed
    for node in filled.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = photo if node["_meta"]["title"] == PHOTO else style
    return filled


def _bypass(prompt: Prompt, reference: str) -> None:
    """Remove a Reference Latent and connect its input to its outputs' targets, as the page's Bypass does."""
    source = prompt.pop(reference)["inputs"]["conditioning"]
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if value == [reference, 0]:
                node["inputs"][name] = source


def _needed_nodes(prompt: Prompt) -> Prompt:
    """The nodes that the result depends on."""
    todo, needed = [node_of_class(prompt, "SaveImage")], set[str]()
    while todo:
        needed.add(node_id := todo.pop())
        todo += [value[0] for value in prompt[node_id]["inputs"].values() if isinstance(value, list)]
    return {node_id: node for node_id, node in prompt.items() if node_id in needed}
