"""The nodes: one file per node, and the few files that touch ComfyUI's internals. `extension.py` lists the nodes."""
