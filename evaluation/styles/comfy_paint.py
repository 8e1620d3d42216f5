"""Paints through ComfyUI: its own sampler, the pack's own nodes, one real server for all images."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from PIL import Image

from ...comfy_client import ComfyServer, find_node, load_workflow
from ...moe import StyleExpert
from ...paths import PACK, TINY_PACK
from ...progress import console
from ...training.bases import Base, load_base
from .graph import WORKFLOW, Prompt, fill, graph_for
from .methods import Method
from .painting import Job, Paint
from .pooled import pooled_embedding, write_collapsed


@contextmanager
def comfy_paint() -> Iterator[Paint]:
    """Starts a ComfyUI with the pack and the small Kontext; it ends with the block.

    Raises:
        ComfyNotFound, ComfyError: there is none, or it does not start.
    """
    with console.status("ComfyUI is starting"):
        server = ComfyServer.start(packs=(PACK, TINY_PACK))
    with server:
        yield ComfyPainter(server)


class ComfyPainter:
    """Paints one job after the other. Jobs of one method and style image in a row are the fastest."""

    def __init__(self, server: ComfyServer) -> None:
        self._server = server
        self._workflow: Prompt = load_workflow(WORKFLOW, server.object_info())
        self._graphs: dict[Method, Prompt] = {}
        self._uploaded: dict[Path, str] = {}
        self._collapsed: Path | None = None

    def __call__(self, job: Job) -> Image.Image:
        photo, style = self._upload(job.content), self._upload(job.style)
        prompt = fill(self._graph(job.method), self._expert_file(job), photo, style, job.prompt, job.seed)
        outputs = self._server.run(prompt)
        return self._server.fetch_image(**outputs[find_node(prompt, "Result")]["images"][0])

    def _graph(self, method: Method) -> Prompt:
        if method not in self._graphs:
            routed = method.reads == "style-encoder"
            self._graphs[method] = graph_for(self._workflow, routed, method.style_reference)
        return self._graphs[method]

    def _upload(self, image: Path) -> str:
        if image not in self._uploaded:
            self._uploaded[image] = self._server.upload_image(image)
        return self._uploaded[image]

    def _expert_file(self, job: Job) -> str:
        """The name that Load StyleExpert knows the job's expert file by."""
        folder = self._server.models / "style_experts"
        if job.method.reads == "pooled-latents":
            return self._collapse(job, folder).name
        path = folder / f"{job.method.key}.safetensors"
        if not path.exists():
            shutil.copyfile(job.method.file, path)
        return path.name

    def _collapse(self, job: Job, folder: Path) -> Path:
        """The style's mixture in a file of its own; the one before is removed, as they are many."""
        path = folder / f"{Path(job.name).stem}.safetensors"
        if path == self._collapsed:
            return path
        write_collapsed(StyleExpert.open(job.method.file), pooled_embedding(self._base, job.style), path)
        if self._collapsed is not None:
            self._collapsed.unlink()
        self._collapsed = path
        return path

    @cached_property
    def _base(self) -> Base:
        return load_base("tiny")
