"""Time that the pack adds to ComfyUI's start."""

import time

import nodes


async def import_pack(pack: str) -> float:
    """Seconds that ComfyUI needs for the first import of the custom nodes in the folder `pack`."""
    began = time.perf_counter()
    if not await nodes.load_custom_node(pack, module_parent="custom_nodes"):
        raise RuntimeError(f"ComfyUI could not load the custom nodes in {pack}: see ComfyUI's log")
    return time.perf_counter() - began
