"""Capture Attention's maps belong to the shown image or are refused, with any state of ComfyUI's cache."""

from collections.abc import Iterator

import numpy as np
import pytest
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError
from styleroute.paths import PACK

from .test_region_server import capturing, images, upload_gradient

pytestmark = pytest.mark.comfy

REFUSAL = "The maps are from another run than the image"


@pytest.fixture(scope="module")
def caching() -> Iterator[ComfyServer]:
    """A server that keeps the results of many earlier runs."""
    packs = (PACK, PACK / "examples" / "tiny_kontext")
    with ComfyServer.start(packs=packs, extra_args=("--cache-lru", "50")) as server:
        yield server


@pytest.fixture(scope="module")
def photo(caching: ComfyServer, tmp_path_factory) -> str:
    return upload_gradient(caching, tmp_path_factory.mktemp("photo"))


def _graph(photo: str, seed: int, colour_map: str = "fire") -> dict:
    graph = capturing(photo, ["22", 0], seed=seed)
    graph["23"]["inputs"]["colour_map"] = colour_map
    return graph


def test_a_cached_image_is_not_shown_with_the_maps_of_another_seed(caching, photo):
    (first,) = images(caching, caching.run(_graph(photo, seed=5)), "23")
    caching.run(_graph(photo, seed=6))
    with pytest.raises(ComfyError, match=REFUSAL):
        caching.run(_graph(photo, seed=5, colour_map="ice"))
    # The first preview is shown again, and a new seed is sampled.
    (again,) = images(caching, caching.run(_graph(photo, seed=5)), "23")
    assert np.array_equal(again, first)
    caching.run(_graph(photo, seed=7, colour_map="ice"))


def test_two_samplers_of_one_captured_model_do_not_mix_their_maps(caching, photo):
    graph = _graph(photo, seed=11)
    second = graph["21"]["inputs"] | {"seed": 12, "latent_image": ["21", 0]}
    graph |= {
        "31": {"class_type": "KSampler", "inputs": second},
        "32": {"class_type": "PreviewImage", "inputs": {"images": ["33", 0]}},
        "33": {"class_type": "VAEDecode", "inputs": {"samples": ["31", 0], "vae": ["1", 2]}},
    }
    caching.run(graph)
    graph["23"]["inputs"]["opacity"] = 0.3
    with pytest.raises(ComfyError, match="two samplers share one Capture Attention"):
        caching.run(graph)


def test_a_list_of_latents_is_not_shown_with_the_maps_of_the_last_one(caching, photo):
    graph = _graph(photo, seed=13)
    latent = graph["21"]["inputs"]["latent_image"]
    graph |= {
        "41": {"class_type": "RepeatLatentBatch", "inputs": {"samples": latent, "amount": 2}},
        "42": {"class_type": "RebatchLatents", "inputs": {"latents": ["41", 0], "batch_size": 1}},
    }
    graph["21"]["inputs"]["latent_image"] = ["42", 0]
    with pytest.raises(ComfyError, match="The sampler's node has sampled 2 times"):
        caching.run(graph)
    graph["21"]["inputs"]["latent_image"] = ["41", 0]
    caching.run(graph)
