"""Generates the images of the dials in ComfyUI, with core's samplers and this pack's nodes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from PIL import Image

from ..comfy_generator import ServerImages, evaluation_server
from .jobs import EXPERTS, DialJob
from .workflow import RESULT, dial_workflow

OpenDialGenerator = Callable[[], AbstractContextManager[Callable[[DialJob], Image.Image]]]
"""Opens the function that generates an image, usually a ComfyUI; only called if an image is missing."""


@contextmanager
def open_dial_generator() -> Iterator[Callable[[DialJob], Image.Image]]:
    """Start a ComfyUI; stop it at the end of the block.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it does not start.
    """
    with evaluation_server() as server:
        images = ServerImages(server)
        expert = images.install_expert(EXPERTS, EXPERTS.stem)

        def generate(job: DialJob) -> Image.Image:
            photo, style = images.upload(job.trial.photo), images.upload(job.trial.style)
            prompt = dial_workflow(job.setting, expert, photo, style, job.seed)
            return images.fetch_image(prompt, images.run(prompt), RESULT)

        yield generate
