"""Generates the images of style methods in ComfyUI: the example workflow, core's sampler and this pack's nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from PIL import Image

from ...comfy_client import ComfyServer
from ...comfy_client.workflow import Prompt
from ...moe import StyleExpert
from ...training.bases import Base, load_base
from ..comfy_generator import ComfyGenerator, evaluation_server
from .jobs import StyleJob
from .methods import StyleMethod
from .pooled_latents import pooled_latents, write_collapsed_lora
from .workflow import WORKFLOW, fill, method_workflow, with_other_reference


@contextmanager
def open_style_generator() -> Iterator["StyleGenerator"]:
    """Start a ComfyUI; stop it at the end of the block.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it does not start.
    """
    with evaluation_server() as server:
        yield StyleGenerator(server)


class StyleGenerator(ComfyGenerator):
    """Generates one job after another. Consecutive jobs of one method and style image are the fastest."""

    def __init__(self, server: ComfyServer) -> None:
        super().__init__(server, WORKFLOW)
        self._prompts: dict[tuple[StyleMethod, int], Prompt] = {}
        self._collapsed_file: Path | None = None

    def __call__(self, job: StyleJob) -> Image.Image:
        photo, style = self.upload(job.content), self.upload(job.style)
        prompt = fill(self._prompt(job.method, job.side), self._expert(job), photo, style, job.prompt, job.seed)
        if job.reference is not None:
            prompt = with_other_reference(prompt, self.upload(job.reference))
        return self.fetch_image(prompt, self.run(prompt), "Result")

    def _prompt(self, method: StyleMethod, side: int) -> Prompt:
        if (method, side) not in self._prompts:
            inputs = method.condition == "style-encoder", method.style_reference
            self._prompts[method, side] = method_workflow(self.workflow, *inputs, method.sampling, side)
        return self._prompts[method, side]

    def _expert(self, job: StyleJob) -> str:
        """The name of the job's expert file in the list of Load StyleExpert."""
        if job.method.condition == "pooled-latents":
            return self._collapsed(job).name
        return self.install_expert(job.method.file, job.method.images_folder)

    def _collapsed(self, job: StyleJob) -> Path:
        """The collapsed LoRA of the job's style image. The previous file is deleted, because there are many."""
        path = self.experts_folder / f"{Path(job.file_name).stem}.safetensors"
        if path == self._collapsed_file:
            return path
        write_collapsed_lora(StyleExpert.open(job.method.file), pooled_latents(self._base, job.style, job.side), path)
        if self._collapsed_file is not None:
            self._collapsed_file.unlink()
        self._collapsed_file = path
        return path

    @cached_property
    def _base(self) -> Base:
        return load_base("tiny")
