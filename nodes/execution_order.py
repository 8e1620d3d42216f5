"""Whether a node of a graph waits for the sampler that fills its ATTENTION_MAPS, and which sampler run filled them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Graph = Mapping[str, Any]
"""A workflow in API form: nodes by id."""
Link = tuple[str, int]
"""(node id, output slot), as in a graph in API form."""

MODEL_SLOT = 0
"""Output slot of Capture Attention that holds the MODEL for a sampler."""


def waits_for_sampler(graph: Graph, node_id: str, maps_input: str, capture_class: str) -> bool:
    """Whether ComfyUI runs `node_id` after the sampler that fills its maps.

    True if the maps come from the sampler itself, or if another input leads back to the captured MODEL.

    Args:
        graph: the workflow in API form.
        node_id: the node that reads the maps.
        maps_input: name of the input that receives the maps.
        capture_class: class of the nodes whose maps are filled later, while a sampler runs.
    """
    inputs = graph.get(node_id, {}).get("inputs", {})
    if not comes_from(graph, node_id, maps_input, capture_class):
        return True
    others = {name: value for name, value in inputs.items() if name != maps_input}
    return (inputs[maps_input][0], MODEL_SLOT) in _upstream_links(graph, others)


def comes_from(graph: Graph, node_id: str, input_name: str, class_type: str) -> bool:
    """Whether an input of a node is linked to a node of the class `class_type`."""
    source = graph.get(node_id, {}).get("inputs", {}).get(input_name)
    return _is_link(source) and graph.get(source[0], {}).get("class_type") == class_type


def signature_of(graph: Graph, node_id: str) -> str:
    """Digest of a node and everything upstream, independent of node ids. Equal digests mean equal results."""
    return _signature(graph, node_id, {})


def upstream_signatures(graph: Graph, node_id: str) -> set[str]:
    """`signature_of` of every node upstream of `node_id`."""
    known: dict[str, str] = {}
    sources = {source for source, _ in _upstream_links(graph, graph.get(node_id, {}).get("inputs", {}))}
    return {_signature(graph, source, known) for source in sources}


def _signature(graph: Graph, node_id: str, known: dict[str, str]) -> str:
    if node_id not in known:
        node = graph.get(node_id, {})
        inputs = {
            name: [_signature(graph, value[0], known), value[1]] if _is_link(value) else value
            for name, value in node.get("inputs", {}).items()
        }
        serialised = json.dumps([node.get("class_type"), inputs], sort_keys=True, default=str)
        known[node_id] = hashlib.sha256(serialised.encode()).hexdigest()
    return known[node_id]


def _upstream_links(graph: Graph, inputs: Mapping[str, Any]) -> set[Link]:
    """Every link that leads to `inputs`, directly or through other nodes."""
    waiting, found = list(_links(inputs)), set()
    while waiting:
        if (link := waiting.pop()) not in found:
            found.add(link)
            waiting += _links(graph.get(link[0], {}).get("inputs", {}))
    return found


def _links(inputs: Mapping[str, Any]) -> Iterator[Link]:
    return ((value[0], value[1]) for value in inputs.values() if _is_link(value))


def _is_link(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], str)
