"""Names of base models: which of them are another model family than FLUX.1."""

import re

_OTHER_FAMILIES = {
    "FLUX.2": ("flux2", "klein"),
    "Chroma": ("chroma",),
    "LongCat": ("longcat",),
    "Qwen-Image": ("qwen",),
    "HunyuanVideo": ("hunyuan",),
    "Stable Diffusion": ("stablediffusion", "sdxl", "sd3", "sd15"),
    "Wan": ("wan2",),
    "Z-Image": ("zimage",),
}
"""Family -> parts of its base models' names, in lower case without punctuation."""


def other_family(base: str) -> str | None:
    """The family that a base model's name, hub name or folder belongs to; None for FLUX.1 and for unknown names."""
    # Of a path, only the last part names the model.
    name = re.sub(r"[^a-z0-9]", "", re.split(r"[/\\]", base.lower().rstrip("/\\"))[-1])
    for family, parts in _OTHER_FAMILIES.items():
        if any(part in name for part in parts):
            return family
    return None
