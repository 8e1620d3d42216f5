"""The base class of all nodes: checks the inputs before `execute`, and shows a refusal below the node."""

import functools
import inspect
from collections.abc import Callable
from typing import ClassVar

from comfy_api.latest import io

from ..errors import StyleRouteError
from ..moe import StyleExpertError
from .comfy_server import clear_executing_node, errors_below_node
from .input_checks import checked_inputs

Execute = Callable[..., io.NodeOutput]
"""A node's `execute` as a plain function; the first argument is the class."""


class StyleRouteNode(io.ComfyNode):
    """A node of this pack. `execute` of every subclass gets checked inputs, and its refusals appear below the node.

    Attributes:
        refusal: the error class for inputs that do not fit.
        checked_by_node: inputs whose choices the node checks itself, because it knows a better sentence.
    """

    refusal: ClassVar[type[StyleRouteError]] = StyleExpertError
    checked_by_node: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        # ComfyUI clones a node's class for each execution. The clone's `execute` is already guarded.
        method = vars(cls).get("execute")
        if isinstance(method, classmethod) and not hasattr(method.__func__, "__wrapped__"):
            cls.execute = classmethod(_guarded(method.__func__))  # pyright: ignore[reportAttributeAccessIssue]


def _guarded(execute: Execute) -> Execute:
    """`execute` with checked inputs. A refusal is shown below the node before it is raised."""
    names = list(inspect.signature(execute).parameters)[1:]

    @functools.wraps(execute)
    def guarded(cls: type[StyleRouteNode], *args, **kwargs) -> io.NodeOutput:
        values = dict(zip(names, args, strict=False)) | kwargs
        clear_executing_node()
        with errors_below_node():
            fields = cls.define_schema().inputs
            return execute(cls, **checked_inputs(fields, values, cls.refusal, cls.checked_by_node))

    return guarded
