"""ComfyUI's own server, where the nodes run in one: what it runs at the moment, and words under a node of its page."""

import logging
import sys
from collections.abc import Mapping
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


def executing_node() -> tuple[Mapping[str, Any], str] | None:
    """The graph in API form and the node of it that runs now; None without a server, or in an expanded node."""
    context, server = get_executing_context(), _server()
    if context is None or server is None:
        return None
    running, _ = server.prompt_queue.get_current_queue_volatile()
    graphs = (item[GRAPH] for item in running if context.prompt_id in item)
    return next(((graph, context.node_id) for graph in graphs if context.node_id in graph), None)


def _server() -> Any:
    """ComfyUI's PromptServer; None where none was started."""
    # Looked for and not imported: whoever runs the nodes without a server has no use for one.
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
