"""The example workflow for styles in API form, changed for each method.

A method sets the image size, the sampling steps and the content dial of Style Guider. At a content dial of 1 the scores
compare the experts alone. All other settings stay as users get them.
"""

import copy

from ...comfy_client.workflow import Prompt, find_node, inputs_of, node_of_class
from ...paths import PACK
from .sampling import NEUTRAL, Sampling

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"
PHOTO, STYLE_REFERENCE, STYLE_IMAGE = "Photo", "Style image beside the photo", "Style image"
"""Titles of nodes in the workflow."""
OTHER_REFERENCE = "other reference"
"""Id of the added node that loads another image for the second reference."""


def method_workflow(workflow: Prompt, routed: bool, style_reference: bool, sampling: Sampling, side: int) -> Prompt:
    """A copy of the workflow for one kind of method, without its Routing Preview.

    Args:
        workflow: the example workflow.
        routed: whether Encode Style reads the style image. If not, the expert file is one plain LoRA.
        style_reference: whether the style image's latents are a second reference, as in the example workflow.
        sampling: steps and content dial.
        side: height and width of the image in pixels.
    """
    prompt = copy.deepcopy(workflow)
    inputs_of(prompt, "StyleRoute_StyleGuider").update(content=sampling.content, style=NEUTRAL)
    inputs_of(prompt, "BasicScheduler")["steps"] = sampling.steps
    for node in prompt.values():
        if node["class_type"] == "ImageScale":
            node["inputs"].update(width=side, height=side)
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


def with_other_reference(prompt: Prompt, image: str) -> Prompt:
    """A copy in which the second reference shows another image than the one that Encode Style reads.

    Args:
        prompt: a filled prompt.
        image: name of the other image on the server.
    """
    changed = copy.deepcopy(prompt)
    style = find_node(changed, STYLE_IMAGE)
    changed[OTHER_REFERENCE] = copy.deepcopy(changed[style])
    changed[OTHER_REFERENCE]["inputs"]["image"] = image
    for node in changed.values():
        if node["class_type"] == "ImageScale" and node["inputs"]["image"] == [style, 0]:
            node["inputs"]["image"] = [OTHER_REFERENCE, 0]
    return _needed_nodes(changed)


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
