"""Runs a workflow template on a server, and returns the image that it gives."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from ..errors import ComfyError
from .client import ComfyClient
from .template import WorkflowTemplate


def run_template(client: ComfyClient, template: WorkflowTemplate, values: Mapping[str, Any], name: str) -> Image.Image:
    """The image of a workflow with these values.

    Args:
        client: the server.
        template: the workflow.
        values: the values of its tags.
        name: what the image is, for the message.

    Raises:
        ComfyError: the server does not answer, a node failed, or the workflow gave no image.
    """
    images = client.run(template.filled(values)).get(template.result, {}).get("images")
    if not images:
        raise ComfyError(
            f"{template.path.name} gave no image for {name}: write [result] into the title of the node Save Image that "
            "has the result."
        )
    return client.fetch_image(**images[0])
