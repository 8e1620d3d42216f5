"""ComfyUI's own server, where the nodes run in one: what it runs at the moment, and words under a node of its page."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy_execution.utils import get_executing_context

GRAPH = 2
"""Place of the graph in an item of ComfyUI's queue: (number, prompt id, graph, ...)."""


def say_under_node(sentence: str, node_id: str) -> None:
    """Shows a sentence under a node on the page; without a server nothing."""
    if (server := _server()) is not None:
        server.send_progress_text(sentence, node_id)


def warn(sentence: str, node_id: str | None) -> None:
    """Puts a sentence into the log, and under the node if it has an id."""
    logging.warning(sentence)
    if node_id is not None:
        say_under_node(sentence, node_id)


@dataclass(frozen=True, eq=False)
class Executing:
    """The node that runs now.

    Attributes:
        prompt_id: of the execution of a workflow.
        node_id: of the node.
        graph: the workflow in API form.
    """

    prompt_id: str
    node_id: str
    graph: Mapping[str, Any]

    def same_node(self, other: "Executing") -> bool:
        """Whether the other one is this node in the same execution: it runs once for each item of a list."""
        return (self.prompt_id, self.node_id) == (other.prompt_id, other.node_id)


def executing_node() -> Executing | None:
    """None without a server, or in an expanded node."""
    context, server = get_executing_context(), _server()
    if context is None or server is None:
        return None
    running, _ = server.prompt_queue.get_current_queue_volatile()
    graphs = (item[GRAPH] for item in running if context.prompt_id in item)
    found = (graph for graph in graphs if context.node_id in graph)
    return next((Executing(context.prompt_id, context.node_id, graph) for graph in found), None)


def _server() -> Any:
    """ComfyUI's PromptServer; None where none was started."""
    # Looked for and not imported: whoever runs the nodes without a server has no use for one.
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
