"""What the pack adds to ComfyUI's start."""

import time

import nodes


async def import_pack(pack: str) -> float:
    """Seconds that ComfyUI takes to load the custom nodes in the folder `pack`, for the first time in this process."""
    began = time.perf_counter()
    if not await nodes.load_custom_node(pack, module_parent="custom_nodes"):
        raise RuntimeError(f"ComfyUI could not load the custom nodes in {pack}; its log says why")
    return time.perf_counter() - began
