"""A client of ComfyUI's server: finds a ComfyUI, starts it without a window, and drives it over HTTP and websocket."""

from .client import ComfyClient
from .finding import find_comfyui
from .server import ComfyServer
from .workflow import api_form, find_node, load_workflow

__all__ = ["ComfyClient", "ComfyServer", "api_form", "find_comfyui", "find_node", "load_workflow"]
