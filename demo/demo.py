"""One run of an example workflow in a real ComfyUI."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import Progress

from ..comfy_client import ComfyServer, find_node, load_workflow
from ..paths import PACK, TINY_PACK
from ..progress import console


@dataclass(frozen=True)
class Demo:
    """A workflow and what is filled into it.

    Attributes:
        workflow: a file of `example_workflows`.
        images: by name what goes in.
        loaders: the titles of the nodes that load them, by the same names.
        values: by a node's title the values of its inputs.
        results: by name the titles of the nodes whose images come out.
    """

    workflow: Path
    images: dict[str, Image.Image]
    loaders: dict[str, str]
    values: dict[str, dict[str, Any]]
    results: dict[str, str]

    def run(self, folder: Path) -> dict[str, Image.Image]:
        """Paint; all images, those that went in as well, come back and are written to the folder.

        Raises:
            ComfyNotFound, ComfyError: there is no ComfyUI, or it failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in self.images.items():
            image.save(folder / f"{name}.png")
        with console.status("ComfyUI is starting"):
            server = ComfyServer.start(packs=(PACK, TINY_PACK))
        with server:
            painted = self._paint(server, folder)
        for name, image in painted.items():
            image.save(folder / f"{name}.png")
        return self.images | painted

    def _paint(self, server: ComfyServer, folder: Path) -> dict[str, Image.Image]:
        prompt = load_workflow(self.workflow, server.object_info())
        for name, title in self.loaders.items():
            prompt[find_node(prompt, title)]["inputs"]["image"] = server.upload_image(folder / f"{name}.png")
        for title, values in self.values.items():
            prompt[find_node(prompt, title)]["inputs"] |= values
        outputs = _run(server, prompt)
        images = {name: outputs[find_node(prompt, title)]["images"][0] for name, title in self.results.items()}
        return {name: server.fetch_image(**image) for name, image in images.items()}


def _run(server: ComfyServer, prompt: dict[str, Any]) -> dict[str, Any]:
    """The outputs of a workflow in API form, whose progress is shown."""
    with Progress(console=console) as progress:
        task = progress.add_task("Queued", total=None)

        def on_progress(node: str, value: float, maximum: float) -> None:
            title = prompt[node]["_meta"]["title"] if node in prompt else node
            progress.update(task, description=title, completed=value, total=maximum)

        return server.run(prompt, on_progress)
