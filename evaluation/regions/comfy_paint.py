"""Paints regions through ComfyUI: the pack's own sampler in one real server for all images."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...comfy_client import ComfyServer, find_node, load_workflow
from ...paths import PACK, TINY_PACK
from ...progress import console
from .graph import READER, WORKFLOW, Prompt, fill, with_reader
from .painting import PaintedRegion, RegionJob

READER_PACK = PACK / "evaluation" / "comfy_pack"


@contextmanager
def comfy_paint() -> Iterator["ComfyRegionPainter"]:
    """Starts a ComfyUI with the pack, the small Kontext and the node that reads maps; it ends with the block.

    Raises:
        ComfyNotFound, ComfyError: there is none, or it does not start.
    """
    with console.status("ComfyUI is starting"):
        server = ComfyServer.start(packs=(PACK, TINY_PACK, READER_PACK))
    with server:
        yield ComfyRegionPainter(server)


class ComfyRegionPainter:
    """Paints one job after the other. Jobs of one expert in a row are the fastest."""

    def __init__(self, server: ComfyServer) -> None:
        self._server = server
        self._graph: Prompt = with_reader(load_workflow(WORKFLOW, server.object_info()))
        self._uploaded: dict[Path, str] = {}

    def __call__(self, job: RegionJob) -> PaintedRegion:
        prompt = fill(
            self._graph,
            photo=self._upload(job.example.original),
            text=job.example.prompt,
            seed=job.seed,
            expert=self._expert(job),
            lock=job.method.lock,
            blocks=job.blocks,
        )
        outputs = self._server.run(prompt)
        images = {
            name: self._server.fetch_image(**outputs[find_node(prompt, name)]["images"][0])
            for name in ("Result", "Map")
        }
        result = images["Result"]
        heat = images["Map"].crop((0, 0, *result.size))  # the node's caption stands below
        return PaintedRegion(result, heat, json.loads(outputs[READER]["maps"][0]))

    def _upload(self, image: Path) -> str:
        if image not in self._uploaded:
            self._uploaded[image] = self._server.upload_image(image)
        return self._uploaded[image]

    def _expert(self, job: RegionJob) -> str:
        """The name that the sampler knows the job's expert by."""
        if not job.method.files:
            return "none"
        path = self._server.models / "style_experts" / f"{job.folder}.safetensors"
        if not path.exists():
            shutil.copyfile(job.method.files[job.style], path)
        return path.name
