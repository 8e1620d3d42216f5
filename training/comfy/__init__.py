"""Finds a ComfyUI, starts it without a window, and talks to it as any client does: over HTTP and websocket."""

from .client import ComfyClient, ComfyError
from .finding import PACK, ComfyNotFound, find_comfyui
from .server import ComfyServer
from .workflow import api_form, find_node, load_workflow

__all__ = [
    "PACK",
    "ComfyClient",
    "ComfyError",
    "ComfyNotFound",
    "ComfyServer",
    "api_form",
    "find_comfyui",
    "find_node",
    "load_workflow",
]
