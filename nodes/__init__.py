"""The nodes: thin faces between ComfyUI and `moe`. The list of them is in `extension.py`."""
