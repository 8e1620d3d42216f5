"""Whether a node of a graph waits for the sampler that fills its ATTENTION_MAPS, and which run that is."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Graph = Mapping[str, Any]
"""A workflow in API form: nodes by id."""
Link = tuple[str, int]
"""(node id, output slot), as a graph in API form has it."""

MODEL_SLOT = 0
"""Of Capture Attention's outputs: what a sampler gets."""


def waits_for_sampler(graph: Graph, node_id: str, maps_input: str, capture_class: str) -> bool:
    """Whether ComfyUI runs `node_id` after the sampler that fills its maps.

    True where the maps come from the sampler itself, and where another input leads back to the captured MODEL.

    Args:
        graph: in API form.
        node_id: the node that reads the maps.
        maps_input: its input that they come by.
        capture_class: of the nodes whose maps are filled only later.
    """
    inputs = graph.get(node_id, {}).get("inputs", {})
    if not comes_from(graph, node_id, maps_input, capture_class):
        return True
    others = {name: value for name, value in inputs.items() if name != maps_input}
    return (inputs[maps_input][0], MODEL_SLOT) in _links_behind(graph, others)


def comes_from(graph: Graph, node_id: str, input_name: str, class_type: str) -> bool:
    """Whether what a node gets by an input is of a node of this class."""
    source = graph.get(node_id, {}).get("inputs", {}).get(input_name)
    return _is_link(source) and graph.get(source[0], {}).get("class_type") == class_type


def signature_of(graph: Graph, node_id: str) -> str:
    """Digest of a node and of all that leads to it, whatever their ids: two runs of it with one digest are the same."""
    return _signature(graph, node_id, {})


def signatures_behind(graph: Graph, node_id: str) -> set[str]:
    """`signature_of` of every node that leads to this one."""
    known: dict[str, str] = {}
    sources = {source for source, _ in _links_behind(graph, graph.get(node_id, {}).get("inputs", {}))}
    return {_signature(graph, source, known) for source in sources}


def _signature(graph: Graph, node_id: str, known: dict[str, str]) -> str:
    if node_id not in known:
        node = graph.get(node_id, {})
        inputs = {
            name: [_signature(graph, value[0], known), value[1]] if _is_link(value) else value
            for name, value in node.get("inputs", {}).items()
        }
        told = json.dumps([node.get("class_type"), inputs], sort_keys=True, default=str)
        known[node_id] = hashlib.sha256(told.encode()).hexdigest()
    return known[node_id]


def _links_behind(graph: Graph, inputs: Mapping[str, Any]) -> set[Link]:
    """Every link that leads, over any number of nodes, to `inputs`."""
    waiting, found = list(_links(inputs)), set()
    while waiting:
        if (link := waiting.pop()) not in found:
            found.add(link)
            waiting += _links(graph.get(link[0], {}).get("inputs", {}))
    return found


def _links(inputs: Mapping[str, Any]) -> Iterator[Link]:
    return (tuple(value) for value in inputs.values() if _is_link(value))


def _is_link(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str)
