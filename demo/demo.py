"""One run of an example workflow in a real ComfyUI."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import Progress

from ..comfy_client import ComfyServer, Prompt, find_node, load_workflow
from ..paths import PACK, TINY_PACK
from ..progress import console


@dataclass(frozen=True)
class Demo:
    """A workflow and the values for its nodes.

    Attributes:
        workflow: a file of `example_workflows`.
        images: input images by name.
        loaders: titles of the nodes that load the input images, by the same names.
        values: input values by node title.
        results: titles of the nodes that save the results, by result name.
        change: changes the workflow in API form before the values are set; None leaves it as it is.
    """

    workflow: Path
    images: dict[str, Image.Image]
    loaders: dict[str, str]
    values: dict[str, dict[str, Any]]
    results: dict[str, str]
    change: Callable[[Prompt], None] | None = None

    def run(self, folder: Path) -> dict[str, Image.Image]:
        """Runs the workflow; writes all input images and results to the folder and returns them by name.

        Raises:
            ComfyNotFound: no ComfyUI was found.
            ComfyError: ComfyUI failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in self.images.items():
            image.save(folder / f"{name}.png")
        with console.status("ComfyUI is starting"):
            server = ComfyServer.start(packs=(PACK, TINY_PACK))
        with server:
            results = self._generate(server, folder)
        for name, image in results.items():
            image.save(folder / f"{name}.png")
        return self.images | results

    def _generate(self, server: ComfyServer, folder: Path) -> dict[str, Image.Image]:
        prompt = load_workflow(self.workflow, server.object_info())
        if self.change is not None:
            self.change(prompt)
        for name, title in self.loaders.items():
            prompt[find_node(prompt, title)]["inputs"]["image"] = server.upload_image(folder / f"{name}.png")
        for title, values in self.values.items():
            prompt[find_node(prompt, title)]["inputs"] |= values
        outputs = _run(server, prompt)
        images = {name: outputs[find_node(prompt, title)]["images"][0] for name, title in self.results.items()}
        return {name: server.fetch_image(**image) for name, image in images.items()}


def _run(server: ComfyServer, prompt: dict[str, Any]) -> dict[str, Any]:
    """Runs a workflow in API form, shows its progress, and returns its outputs."""
    with Progress(console=console) as progress:
        task = progress.add_task("Queued", total=None)

        def on_progress(node: str, value: float, maximum: float) -> None:
            title = prompt[node]["_meta"]["title"] if node in prompt else node
            progress.update(task, description=title, completed=value, total=maximum)

        return server.run(prompt, on_progress)
