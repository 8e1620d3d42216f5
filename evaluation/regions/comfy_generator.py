"""Generates the images and attention maps of region methods in ComfyUI, with this pack's RegionRoute Sampler."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from ...comfy_client import ComfyServer
from ...paths import PACK
from ..comfy_generator import ComfyGenerator, evaluation_server
from .jobs import GeneratedRegion, RegionJob
from .workflow import MAP_READER, WORKFLOW, fill, with_map_reader

MAP_READER_PACK = PACK / "evaluation" / "comfy_pack"


@contextmanager
def open_region_generator() -> Iterator["RegionGenerator"]:
    """Start a ComfyUI with the node that reads maps; stop it at the end of the block.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it does not start.
    """
    with evaluation_server(MAP_READER_PACK) as server:
        yield RegionGenerator(server)


class RegionGenerator(ComfyGenerator):
    """Generates one job after another. Consecutive jobs of one expert are the fastest."""

    def __init__(self, server: ComfyServer) -> None:
        super().__init__(server, WORKFLOW)
        self.workflow = with_map_reader(self.workflow)

    def __call__(self, job: RegionJob) -> GeneratedRegion:
        prompt = fill(
            self.workflow,
            photo=self.upload(job.example.original),
            text=job.example.prompt,
            seed=job.seed,
            expert=self._expert(job),
            lock=job.method.lock,
            blocks=job.blocks,
        )
        outputs = self.run(prompt)
        image, overlay = (self.fetch_image(prompt, outputs, title) for title in ("Result", "Map"))
        overlay = overlay.crop((0, 0, *image.size))  # the node writes its caption below the image
        return GeneratedRegion(image, overlay, json.loads(outputs[MAP_READER]["maps"][0]))

    def _expert(self, job: RegionJob) -> str:
        """The name of the job's expert in the sampler's list."""
        return self.install_expert(job.method.files[job.style], job.images_folder) if job.method.files else "none"
