"""Stylises photos in a running ComfyUI: any workflow in API form, whose tags say where photo and style go."""

import tempfile
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from PIL import Image

from ...comfy_client import ComfyClient, WorkflowTemplate, run_template
from ...errors import ComfyError, DataError
from ..segmentation import ChosenObject, SegmentedPhoto
from .styles import GroundedStyle
from .stylists import StylistFailure

TEXT = ("text", "prompt", "value", "string")
TAGS = {
    "content": ("image",),
    "style": ("image",),
    "prompt": TEXT,
    "lora": ("lora_name", *TEXT[2:]),
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
}
"""Tags in the titles of nodes, with the inputs that usually take their values."""
UPLOADS = "styleroute"
"""Folder of the uploaded images inside the server's input folder."""


class ComfyStylist:
    """Stylises by a workflow. It is checked at once, before any image is made.

    Args:
        client: the server.
        workflow: a file of the workflow in API form.
        styles: the styles; the workflow must have a tag for what each of them gives.
        seed: seed of every image.

    Raises:
        ComfyError: the server does not answer, or the workflow does not fit.
        DataError: the workflow has no tag for what a style gives, so that styles would not differ.
    """

    def __init__(self, client: ComfyClient, workflow: Path, styles: Sequence[GroundedStyle], seed: int) -> None:
        self._client, self._seed = client, seed
        self._template = WorkflowTemplate.read(workflow, TAGS, ("content",), client.object_info())
        tags = {one.tag for one in self._template.inputs}
        for style in styles:
            _require_tag(style, tags, workflow)
        digest = blake2b(workflow.read_bytes(), digest_size=16).hexdigest()
        self.settings: dict[str, Any] = {"workflow": workflow.name, "digest": digest, "seed": seed}
        self._style_images: dict[Path, str] = {}

    def __call__(self, photo: SegmentedPhoto, chosen: ChosenObject, style: GroundedStyle) -> Image.Image:
        height, width = chosen.image.shape[:2]
        values = {"content": self._upload(chosen, photo.name), "prompt": style.prompt, "seed": self._seed}
        values |= {"width": width, "height": height}
        if style.lora:
            values["lora"] = style.lora
        if style.image:
            values["style"] = self._style_image(style.image)
        try:
            return run_template(self._client, self._template, values, photo.name)
        except ComfyError as error:
            if not error.node_errors:  # the server, not this image
                raise
            raise StylistFailure(f"the workflow failed: {str(error).splitlines()[0]}") from error

    def _upload(self, chosen: ChosenObject, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.png"
            Image.fromarray(chosen.image).save(path, compress_level=1)
            return self._client.upload_image(path, UPLOADS)

    def _style_image(self, path: Path) -> str:
        if path not in self._style_images:
            self._style_images[path] = self._client.upload_image(path, UPLOADS)
        return self._style_images[path]


def _require_tag(style: GroundedStyle, tags: set[str], workflow: Path) -> None:
    needed = "style" if style.image else "lora" if style.lora else "prompt"
    if needed not in tags:
        raise DataError(
            f"{workflow.name} has no tag [{needed}] in the title of a node, but the style {style.name!r} needs it: "
            f"write [{needed}] into the title of the node that takes it, and export the workflow again."
        )
