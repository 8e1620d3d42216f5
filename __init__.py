"""StyleRoute for ComfyUI: paints a picture, or only the thing you name in it, in the style of another picture."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Called once by ComfyUI; only from here on is ComfyUI itself imported."""
    from .nodes.extension import StyleRouteExtension

    return StyleRouteExtension()
