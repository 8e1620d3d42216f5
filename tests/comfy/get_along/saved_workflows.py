"""Workflows that version 0.1.0 saved, with what they gave in that version: their inputs by name, and their images.

The files in `workflows_0_1_0` were made by version 0.1.0 itself, with the small Kontext's weights of that day:

    git worktree add /tmp/styleroute-0.1.0 b4de575
    python -m styleroute.tests.comfy.get_along.saved_workflows /tmp/styleroute-0.1.0

Run this again after the weights have changed: the images are compared only with the weights that made them.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from styleroute.comfy_client import ComfyServer
from styleroute.comfy_client.workflow import Prompt, inputs_of, load_workflow
from styleroute.paths import PACK

FOLDER = Path(__file__).parent / "workflows_0_1_0"
NAMES = ("style_transfer", "region_style")
STEPS = 2
SIDE = 256


def weights_id() -> str:
    """A digest of the demo's weights."""
    files = sorted((PACK / "examples" / "tiny_kontext" / "models").rglob("*.safetensors"))
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:16]


def draw_photo(path: Path) -> Path:
    """Writes an image with edges and colours to a file."""
    rows, columns = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    disc = (rows - 0.5) ** 2 + (columns - 0.4) ** 2 < 0.06
    pixels = np.stack([rows, columns, np.abs(np.sin(9 * (rows + columns)))], axis=-1)
    pixels[disc] = 0.9, 0.5, 0.1
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return path


def read(server: ComfyServer, name: str) -> Prompt:
    """A workflow in API form, as this server's node definitions read the saved values."""
    return load_workflow(FOLDER / f"{name}.json", server.object_info())


def run(server: ComfyServer, prompt: Prompt, photo: str) -> dict[str, list[Image.Image]]:
    """The images of a workflow with few steps, by the class of the node that shows them."""
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = photo
    sampler = next(each for each in ("StyleRoute_RegionRouteSampler", "KSampler")
                   if any(node["class_type"] == each for node in prompt.values()))  # fmt: skip
    inputs_of(prompt, sampler)["steps"] = STEPS
    outputs = server.run(prompt)
    return {
        prompt[node]["class_type"]: [server.fetch_image(**each).convert("RGB") for each in shown["images"]]
        for node, shown in outputs.items()
        if "images" in shown
    }


def record(pack: Path) -> None:
    """Runs the workflows with the nodes of another version in the folder `pack`, and stores what they give."""
    with ComfyServer.start(packs=(pack, pack / "examples" / "tiny_kontext")) as server:
        with tempfile.TemporaryDirectory() as folder:
            photo = server.upload_image(draw_photo(Path(folder) / "photo.png"))
        inputs = {}
        for name in NAMES:
            prompt = read(server, name)
            inputs[name] = {node_id: dict(node["inputs"]) for node_id, node in prompt.items()}
            run(server, prompt, photo)["SaveImage"][0].save(FOLDER / f"{name}.png", optimize=True)
    recorded = {"weights": weights_id(), "inputs": inputs}
    (FOLDER / "recorded.json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
