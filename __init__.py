"""StyleRoute for ComfyUI: paints an image in the style of another, or a named thing in the style of a region LoRA."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Called once by ComfyUI; only from here on is ComfyUI itself imported."""
    from .nodes.extension import StyleRouteExtension

    return StyleRouteExtension()
