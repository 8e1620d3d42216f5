"""Finds a ComfyUI, starts it without a window, and talks to it as any client does: over HTTP and websocket."""

from .client import ComfyClient, ComfyError
from .finding import PACK, ComfyNotFound, find_comfyui
from .server import ComfyServer

__all__ = ["PACK", "ComfyClient", "ComfyError", "ComfyNotFound", "ComfyServer", "find_comfyui"]
