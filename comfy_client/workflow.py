"""Workflows: converts a file that the page saved into the API form that the server runs, and finds nodes in it."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ComfyError

Prompt = dict[str, dict[str, Any]]
"""A workflow in API form: nodes by id, each with `class_type`, `inputs` and `_meta`."""

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
# Only the page shows these nodes; the server does not know them.
PAGE_ONLY = {"Note", "MarkdownNote"}


def load_workflow(path: str | Path, object_info: dict[str, Any]) -> Prompt:
    """Reads a workflow saved by the page and returns its API form."""
    return api_form(json.loads(Path(path).read_text(encoding="utf-8")), object_info)


def api_form(workflow: dict[str, Any], object_info: dict[str, Any]) -> Prompt:
    """The API form of `workflow`: `{node id: {"class_type", "inputs", "_meta": {"title"}}}`.

    The page saves the values of widgets without names, in the order of `object_info`.

    Raises:
        ComfyError: the server lacks a node class of the workflow.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in PAGE_ONLY]
    if missing := sorted({node["type"] for node in nodes} - object_info.keys()):
        raise ComfyError(f"This ComfyUI lacks the nodes {', '.join(missing)}; its log says which pack did not load.")
    return {str(node["id"]): _api_node(node, object_info[node["type"]], sources) for node in nodes}


def find_node(prompt: Prompt, title: str) -> str:
    """Returns the id of the first node with this title.

    Raises:
        ComfyError: no node has this title.
    """
    return _first(prompt, "title", title, lambda node: node.get("_meta", {}).get("title"))


def node_of_class(prompt: Prompt, class_type: str) -> str:
    """Returns the id of the first node of this class.

    Raises:
        ComfyError: no node has this class.
    """
    return _first(prompt, "class", class_type, lambda node: node["class_type"])


def inputs_of(prompt: Prompt, class_type: str) -> dict[str, Any]:
    """Returns the inputs of the first node of this class; changes to them change the prompt.

    Raises:
        ComfyError: no node has this class.
    """
    return prompt[node_of_class(prompt, class_type)]["inputs"]


def _first(prompt: Prompt, kind: str, wanted: str, value_of: Callable[[Mapping[str, Any]], str | None]) -> str:
    for node_id, node in prompt.items():
        if value_of(node) == wanted:
            return node_id
    present = ", ".join(sorted({str(value_of(node)) for node in prompt.values()}))
    raise ComfyError(f"The workflow has no node with the {kind} {wanted!r}, only {present}. Check the workflow file.")


def _api_node(node: dict[str, Any], info: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    inputs = dict(zip(_widget_names(info), node.get("widgets_values", ()), strict=False))
    inputs = {name: value for name, value in inputs.items() if name}
    for slot in node.get("inputs", ()):
        if slot.get("link") is not None:
            inputs[slot["name"]] = sources[slot["link"]]
    title = node.get("title") or info.get("display_name") or node["type"]
    return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}


def _widget_names(info: dict[str, Any]) -> Iterator[str | None]:
    """The names of a node's widgets in the page's order; None for a widget that only the page has."""
    for group in ("required", "optional"):
        for name, (kind, *options) in info["input"].get(group, {}).items():
            settings = options[0] if options else {}
            if settings.get("forceInput") or not (isinstance(kind, list) or kind in WIDGET_TYPES):
                continue
            yield name
            # The page adds a widget beside each seed: what happens to the seed after a run.
            if settings.get("control_after_generate") or (kind == "INT" and name in ("seed", "noise_seed")):
                yield None
