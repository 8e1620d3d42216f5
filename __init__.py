"""StyleRoute for ComfyUI: stylises an image, or one named object in it, in the style of another image."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """Returns the extension. ComfyUI calls this once; nothing imports ComfyUI before."""
    from .nodes.extension import StyleRouteExtension

    return StyleRouteExtension()
