"""Whether a node of a graph waits for the sampler that fills its ATTENTION_MAPS."""

from collections.abc import Iterator, Mapping
from typing import Any

Link = tuple[str, int]
"""(node id, output slot), as a graph in API form has it."""

MODEL_SLOT = 0
"""Of Capture Attention's outputs: what a sampler gets."""


def waits_for_sampler(graph: Mapping[str, Any], node_id: str, maps_input: str, capture_class: str) -> bool:
    """Whether ComfyUI runs `node_id` after the sampler that fills its maps.

    True where the maps come from the sampler itself, and where another input leads back to the captured MODEL.

    Args:
        graph: in API form.
        node_id: the node that reads the maps.
        maps_input: its input that they come by.
        capture_class: of the nodes whose maps are filled only later.
    """
    inputs = graph.get(node_id, {}).get("inputs", {})
    source = inputs.get(maps_input)
    if not _is_link(source) or graph.get(source[0], {}).get("class_type") != capture_class:
        return True
    others = {name: value for name, value in inputs.items() if name != maps_input}
    return (source[0], MODEL_SLOT) in _links_behind(graph, others)


def _links_behind(graph: Mapping[str, Any], inputs: Mapping[str, Any]) -> set[Link]:
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
