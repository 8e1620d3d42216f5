"""ComfyUI's own server, if the nodes run inside one: which node is executing, and text below a node on the page."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from comfy_execution.utils import get_executing_context

from ..errors import StyleRouteError
from ..plain_text import plain
from .notice import Notice

GRAPH = 2
"""Index of the graph in an item of ComfyUI's queue: (number, prompt id, graph, ...)."""


NO_TEXT = " "
"""Text that looks empty. The page ignores an empty text."""
_shown: set[str] = set()
"""Ids of the nodes that have a text below them. The page keeps a text until another one replaces it."""

_refused: set[str] = set()
"""Ids of the nodes whose text is a refusal."""


def show_under_node(text: str, node_id: str) -> None:
    """Shows a text below a node on the page, instead of the earlier text. Does nothing without a server."""
    if (server := _server()) is not None:
        server.send_progress_text(plain(text), node_id)
        _shown.add(node_id)


def clear_under_node(node_id: str) -> None:
    """Removes the text below a node. It belongs to an earlier execution."""
    if node_id in _shown:
        show_under_node(NO_TEXT, node_id)
        _shown.discard(node_id)


def warn(text: str, node_id: str | None) -> None:
    """Logs a warning, and shows it below the node unless `node_id` is None."""
    logging.warning(plain(text))
    if node_id is not None:
        show_under_node(text, node_id)


@dataclass
class NodeText:
    """The text below one node. ComfyUI replaces the whole text each time, so all lines are sent again.

    Attributes:
        node_id: id of the node in the graph; None shows nothing.
        lines: the lines so far.
    """

    node_id: str | None
    lines: list[str] = field(default_factory=list)

    def copy(self) -> "NodeText":
        """A text that starts with the lines so far, for one run of a sampler."""
        return NodeText(self.node_id, list(self.lines))

    def add(self, line: str) -> None:
        """Adds a line below the node, unless it is there already."""
        if line not in self.lines:
            self.lines.append(line)
        self.show()

    def warn(self, warning: str | Notice) -> None:
        """Logs a warning, and adds it below the node."""
        notice = warning if isinstance(warning, Notice) else Notice(warning, warning)
        logging.warning(plain(notice.sentence))
        self.add(notice.line)

    def show(self) -> None:
        """Shows the lines so far instead of the earlier text; without lines, removes the earlier text."""
        if self.node_id is not None and self.lines:
            show_under_node("\n".join(self.lines), self.node_id)
        elif self.node_id is not None:
            clear_under_node(self.node_id)


@contextmanager
def errors_below_node() -> Iterator[None]:
    """Shows a refusal below the node that executes, and raises it again. The page hides the text of an error.

    The node may belong to ComfyUI, such as KSampler. Its next run removes the refusal.
    """
    context = get_executing_context()
    node_id = None if context is None else context.node_id
    if node_id in _refused:
        clear_under_node(node_id)
        _refused.discard(node_id)
    try:
        yield
    except StyleRouteError as error:
        if node_id is not None:
            show_under_node(str(error), node_id)
            _refused.add(node_id)
        raise


def clear_executing_node() -> None:
    """Removes the text below the node that executes now."""
    if (context := get_executing_context()) is not None:
        clear_under_node(context.node_id)


@dataclass(frozen=True, eq=False)
class ExecutingNode:
    """The node that ComfyUI executes now.

    Attributes:
        prompt_id: id of this execution of the workflow.
        node_id: id of the node in the graph.
        graph: the workflow in API form.
    """

    prompt_id: str
    node_id: str
    graph: Mapping[str, Any]

    def is_same_execution(self, other: "ExecutingNode") -> bool:
        """Whether both are one node in one execution. ComfyUI runs a node once for each item of a list."""
        return (self.prompt_id, self.node_id) == (other.prompt_id, other.node_id)


def executing_node() -> ExecutingNode | None:
    """The node that executes now; None without a server, or inside an expanded node."""
    context, server = get_executing_context(), _server()
    if context is None or server is None:
        return None
    running, _ = server.prompt_queue.get_current_queue_volatile()
    graphs = (item[GRAPH] for item in running if context.prompt_id in item)
    found = (graph for graph in graphs if context.node_id in graph)
    return next((ExecutingNode(context.prompt_id, context.node_id, graph) for graph in found), None)


def _server() -> Any:
    """ComfyUI's PromptServer; None if no server was started."""
    # Read from sys.modules: importing ComfyUI's server module needs packages that a run without a server may lack.
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
