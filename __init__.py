"""StyleRoute for ComfyUI: stylises an image, or only a named object in it, in the style of another image."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Return the extension. ComfyUI calls this once; only this function imports ComfyUI's modules."""
    from .nodes.extension import StyleRouteExtension

    return StyleRouteExtension()
