"""The nodes: thin faces between ComfyUI and the ideas, one file a node. The list of them is in `extension.py`."""
