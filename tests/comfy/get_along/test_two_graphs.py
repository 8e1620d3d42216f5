"""Branches of one graph with different styles from one loader: each image equals its own, to the bit."""

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.comfy_client import ComfyServer

from ..test_server import latent_of, sampling, styling

pytestmark = pytest.mark.comfy

EXPERT = {"expert": "styles.safetensors", "encoder": "in the expert file", "routing": "as the file says"}


@pytest.fixture(scope="module")
def images(server: ComfyServer, tmp_path_factory) -> list[str]:
    """Two style images."""
    names = []
    for seed in (0, 1):
        path = tmp_path_factory.mktemp("image") / f"style{seed}.png"
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        names.append(server.upload_image(path))
    return names


def with_styles(images: list[str], *methods: str) -> dict:
    """Nodes for one styled MODEL per image and method (nodes 51, 52, ...), all from the loaders 1 and 3."""
    graph = styling(images[0])
    for number, (image, method) in enumerate(zip(images, methods, strict=True), start=1):
        graph[f"2{number}"] = {"class_type": "LoadImage", "inputs": {"image": image}}
        graph[f"4{number}"] = {"class_type": "StyleRoute_EncodeStyle", "inputs": graph["4"]["inputs"] | {
            "image": [f"2{number}", 0]}}  # fmt: skip
        graph[f"5{number}"] = {"class_type": "StyleRoute_MoEApply", "inputs": graph["5"]["inputs"] | {
            "style": [f"4{number}", 0], "method": method}}  # fmt: skip
    return {node_id: node for node_id, node in graph.items() if node_id not in ("2", "4", "5")}


@pytest.mark.parametrize("methods", [("patch", "patch"), ("branch", "branch"), ("patch", "branch")])
def test_two_styles_from_one_loader(server, images, methods):
    graph, name = with_styles(images, *methods), "".join(methods)
    samplers = [sampling([f"5{number}", 0], f"{name}{number}") for number in (1, 2)]
    base = sampling(["1", 0], f"{name}base")
    for sampler in (base, *samplers):
        server.run(graph | sampler)
    alone = [latent_of(server, f"{name}{part}") for part in ("base", 1, 2)]
    assert not torch.allclose(alone[1], alone[2], atol=1e-3)
    together = {node_id: node for sampler in (samplers[0], base, samplers[1]) for node_id, node in sampler.items()}
    for node in together.values():  # a new value, so that ComfyUI samples again
        if node["class_type"] == "KSampler":
            node["inputs"] = node["inputs"] | {"denoise": 0.9999999}
    server.run(graph | together)
    assert all(torch.equal(latent_of(server, f"{name}{part}"), found)
               for part, found in zip(("base", 1, 2), alone, strict=True))  # fmt: skip
