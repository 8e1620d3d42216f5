"""Generates images in a ComfyUI server of our own: starts it, uploads each image once, runs prompts, fetches results.

`styles/comfy_generator.py` and `regions/comfy_generator.py` fill in their example workflows;
`objects/comfy_generator.py` builds its own.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from ..comfy_client import ComfyServer, find_node, load_workflow
from ..comfy_client.workflow import Prompt
from ..paths import PACK, TINY_PACK
from ..progress import console

Outputs = dict[str, Any]
"""What the output nodes of a prompt returned, by node id."""


@contextmanager
def evaluation_server(*packs: Path) -> Iterator[ComfyServer]:
    """Start a ComfyUI with this pack, the small Kontext and further node packs; stop it at the end of the block.

    Raises:
        ComfyNotFound, ComfyError: no ComfyUI was found, or it does not start.
    """
    with console.status("ComfyUI is starting"):
        server = ComfyServer.start(packs=(PACK, TINY_PACK, *packs))
    with server:
        yield server


class ServerImages:
    """Runs prompts on a server, uploads each file once, and fetches results.

    Args:
        server: a running ComfyUI.
    """

    def __init__(self, server: ComfyServer) -> None:
        self.server = server
        self._uploaded: dict[Path, str] = {}

    @property
    def experts_folder(self) -> Path:
        """The folder in which the server's nodes find expert files."""
        return self.server.models / "style_experts"

    def run(self, prompt: Prompt) -> Outputs:
        """Run a prompt to its end.

        Raises:
            ComfyError: the server refused or failed the prompt.
        """
        return self.server.run(prompt)

    def fetch_image(self, prompt: Prompt, outputs: Outputs, title: str) -> Image.Image:
        """The first image of the output node with this title."""
        return self.server.fetch_image(**outputs[find_node(prompt, title)]["images"][0])

    def upload(self, image: Path) -> str:
        """Upload an image file unless this was done before; returns its name on the server."""
        if image not in self._uploaded:
            self._uploaded[image] = self.server.upload_image(image)
        return self._uploaded[image]

    def install_expert(self, file: Path, name: str) -> str:
        """Copy an expert file to the server unless this was done before; returns its name in the nodes' list."""
        return _install(file, self.experts_folder, name)

    def install_lora(self, file: Path, name: str) -> str:
        """Copy a LoRA to the server unless this was done before; returns its name in stock LoRA loaders."""
        return _install(file, self.server.models / "loras", name)


class ComfyGenerator(ServerImages):
    """Runs one workflow with changing inputs.

    Args:
        server: a running ComfyUI.
        workflow: a workflow file saved by ComfyUI's page.
    """

    def __init__(self, server: ComfyServer, workflow: Path) -> None:
        super().__init__(server)
        self.workflow: Prompt = load_workflow(workflow, server.object_info())


def _install(file: Path, folder: Path, name: str) -> str:
    path = folder / f"{name}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        shutil.copyfile(file, path)
    return path.name
