"""A client of ComfyUI's server: finds a ComfyUI, starts it without a window, and drives it over HTTP and websocket."""

from .client import ComfyClient
from .finding import find_comfyui
from .server import ComfyServer
from .template import FilledInput, WorkflowTemplate
from .template_run import run_template
from .workflow import Prompt, api_form, find_node, inputs_of, load_workflow, node_of_class

__all__ = [
    "ComfyClient",
    "ComfyServer",
    "FilledInput",
    "Prompt",
    "WorkflowTemplate",
    "api_form",
    "find_comfyui",
    "find_node",
    "inputs_of",
    "load_workflow",
    "node_of_class",
    "run_template",
]
