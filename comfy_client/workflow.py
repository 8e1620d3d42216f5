"""From the form in which the page saves a workflow to the form that the server runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ComfyError

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
# Drawn by the page alone; the server knows no such nodes.
PAGE_ONLY = {"Note", "MarkdownNote"}


def load_workflow(path: str | Path, object_info: dict[str, Any]) -> dict[str, Any]:
    """Reads a workflow saved by the page and returns its API form."""
    return api_form(json.loads(Path(path).read_text(encoding="utf-8")), object_info)


def api_form(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """The API form of `workflow`: `{node id: {"class_type", "inputs", "_meta": {"title"}}}`.

    The page saves the values of widgets without names, in the order in which `object_info` lists them.

    Raises:
        ComfyError: the workflow holds a node that the server does not have.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in PAGE_ONLY]
    if missing := sorted({node["type"] for node in nodes} - object_info.keys()):
        raise ComfyError(f"This ComfyUI lacks the nodes {', '.join(missing)}; its log says which pack did not load.")
    return {str(node["id"]): _api_node(node, object_info[node["type"]], sources) for node in nodes}


def find_node(prompt: dict[str, Any], title: str) -> str:
    """The id of the node with this title in an API form."""
    return next(node_id for node_id, node in prompt.items() if node["_meta"]["title"] == title)


def _api_node(node: dict[str, Any], info: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    inputs = dict(zip(_widget_names(info), node.get("widgets_values", ()), strict=False))
    inputs = {name: value for name, value in inputs.items() if name}
    for slot in node.get("inputs", ()):
        if slot.get("link") is not None:
            inputs[slot["name"]] = sources[slot["link"]]
    title = node.get("title") or info.get("display_name") or node["type"]
    return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}


def _widget_names(info: dict[str, Any]) -> Iterator[str | None]:
    """The names of a node's widgets in the page's order; None for those that the page adds for itself."""
    for group in ("required", "optional"):
        for name, (kind, *options) in info["input"].get(group, {}).items():
            settings = options[0] if options else {}
            if settings.get("forceInput") or not (isinstance(kind, list) or kind in WIDGET_TYPES):
                continue
            yield name
            # Beside a seed the page draws what to do with it after a run.
            if settings.get("control_after_generate") or (kind == "INT" and name in ("seed", "noise_seed")):
                yield None
