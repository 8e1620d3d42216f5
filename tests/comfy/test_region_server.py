"""The region nodes on a real server with the demo's small Kontext: from a prompt to images, maps and masks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError
from styleroute.paths import PACK

pytestmark = pytest.mark.comfy

SAMPLER = {"seed": 5, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
PREVIEW = {"span": "style", "step": "mean", "block": "mean", "colour_map": "fire", "opacity": 0.6}
REGION = {
    "region_expert": "none",
    "expert_strength": 1.0,
    "region": "style",
    "background_lock": 0.0,
    "heat_preview": True,
    "blocks": "all",
    "capture_steps": "all",
    "keep": "steps and blocks",
}


@pytest.fixture(scope="module")
def kontext() -> Iterator[ComfyServer]:
    with ComfyServer.start(packs=(PACK, PACK / "examples" / "tiny_kontext")) as server:
        loras = server.models / "loras"
        loras.mkdir(parents=True, exist_ok=True)
        layer = "transformer.transformer_blocks.0.attn.to_q"
        lora_a, lora_b = torch.randn(4, 256) * 0.1, torch.randn(256, 4) * 0.1
        save_file({f"{layer}.lora_A.weight": lora_a, f"{layer}.lora_B.weight": lora_b}, loras / "mosaic.safetensors")
        yield server


@pytest.fixture(scope="module")
def photo(kontext: ComfyServer, tmp_path_factory) -> str:
    return upload_gradient(kontext, tmp_path_factory.mktemp("photo"))


def upload_gradient(server: ComfyServer, folder: Path) -> str:
    """Uploads a gradient of 256 x 192 pixels and returns its name on the server."""
    path = folder / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((256, 192)).save(path)
    return server.upload_image(path)


def prompting(photo: str, text: str = "make the guitar in mosaic style") -> dict:
    """Nodes for the content image and the prompt: model 1, latent 3, conditioning 6."""
    return {
        "1": {"class_type": "TinyKontext_Load", "inputs": {}},
        "2": {"class_type": "LoadImage", "inputs": {"image": photo}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "StyleRoute_RegionPrompt", "inputs": {"clip": ["1", 1], "text": text}},
        "5": {"class_type": "ReferenceLatent", "inputs": {"conditioning": ["4", 0], "latent": ["3", 0]}},
        "6": {"class_type": "FluxGuidance", "inputs": {"conditioning": ["5", 0], "guidance": 2.5}},
    }


def routing(photo: str, **changes) -> dict:
    """RegionRoute Sampler (7), its image (8), the preview (9), the masks of both as images (10, 11)."""
    inputs = {"model": ["1", 0], "positive": ["6", 0], "latent_image": ["3", 0]} | SAMPLER | REGION | changes
    return prompting(photo) | {
        "7": {"class_type": "StyleRoute_RegionRouteSampler", "inputs": inputs},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
        "9": preview(["7", 1], ["8", 0]),
        "10": {"class_type": "MaskPreview", "inputs": {"mask": ["7", 2]}},
        "11": {"class_type": "MaskPreview", "inputs": {"mask": ["9", 1]}},
        "12": {"class_type": "SaveLatent", "inputs": {"samples": ["7", 0], "filename_prefix": "routed"}},
    }


def capturing(photo: str, image: list, **changes) -> dict:
    """Capture Attention (20) and a stock KSampler (21); the preview (23) gets `image`."""
    inputs = {"positive": ["6", 0], "negative": ["6", 0], "latent_image": ["3", 0]} | SAMPLER | changes
    return prompting(photo) | {
        "20": {
            "class_type": "StyleRoute_CaptureAttention",
            "inputs": {"model": ["1", 0], "conditioning": ["6", 0], "blocks": "all"},
        },
        "21": {"class_type": "KSampler", "inputs": inputs | {"model": ["20", 0]}},
        "22": {"class_type": "VAEDecode", "inputs": {"samples": ["21", 0], "vae": ["1", 2]}},
        "23": preview(["20", 1], image),
    }


def preview(maps: list, image: list, **changes) -> dict:
    inputs = {"attention_maps": maps, "image": image} | PREVIEW | changes
    return {"class_type": "StyleRoute_AttentionMapPreview", "inputs": inputs}


def images(server: ComfyServer, outputs: dict, node: str) -> list[np.ndarray]:
    return [np.asarray(server.fetch_image(**name).convert("RGB")) for name in outputs[node]["images"]]


def newest_latent(server: ComfyServer, prefix: str) -> torch.Tensor:
    return load_file(max(server.folder.glob(f"output/{prefix}_*.latent")))["latent_tensor"]


def test_a_prompt_gives_an_image_a_map_and_a_mask(kontext, photo):
    progress = []
    outputs = kontext.run(routing(photo), on_progress=lambda node, value, total: progress.append((node, value, total)))
    (heat,), (mask,), (shown,) = (images(kontext, outputs, node) for node in ("9", "10", "11"))
    assert mask.shape == shown.shape == (192, 256, 3)
    assert heat.shape[0] > 192  # with a caption
    assert heat[:192].std() > 5
    assert np.abs(mask.astype(int) - shown).max() <= 1
    assert outputs["9"]["text"][0].startswith("style: mosaic: ")
    assert [entry[1:] for entry in progress if entry[0] == "7"][-1] == (2, 2)


def test_without_expert_and_capture_it_equals_ksampler_to_the_bit(kontext, photo):
    graph = prompting(photo)
    common = {"model": ["1", 0], "positive": ["6", 0], "latent_image": ["3", 0]} | SAMPLER
    graph |= {
        "7": {
            "class_type": "StyleRoute_RegionRouteSampler",
            "inputs": common | REGION | {"blocks": "none", "heat_preview": False},
        },
        "8": {"class_type": "KSampler", "inputs": common | {"negative": ["6", 0]}},
        "9": {"class_type": "SaveLatent", "inputs": {"samples": ["7", 0], "filename_prefix": "ours"}},
        "10": {"class_type": "SaveLatent", "inputs": {"samples": ["8", 0], "filename_prefix": "stock"}},
    }
    kontext.run(graph)
    assert torch.equal(newest_latent(kontext, "ours"), newest_latent(kontext, "stock"))


def test_auto_finds_the_expert_and_an_unknown_style_lists_the_files(kontext, photo):
    kontext.run(routing(photo))
    base = newest_latent(kontext, "routed")
    kontext.run(routing(photo, region_expert="auto"))
    assert not torch.allclose(newest_latent(kontext, "routed"), base, atol=1e-3)
    graph = routing(photo, region_expert="auto")
    graph["4"]["inputs"]["text"] = "make the guitar in cubism style"
    with pytest.raises(ComfyError, match=r"style 'cubism': found .*'mosaic'"):
        kontext.run(graph)


def test_the_lock_keeps_the_background(kontext, photo):
    graph = routing(photo, background_lock=1.0) | {
        "13": {"class_type": "SaveLatent", "inputs": {"samples": ["3", 0], "filename_prefix": "photo"}}
    }
    outputs = kontext.run(graph)
    outside = torch.from_numpy(images(kontext, outputs, "10")[0][..., 0].copy())[::8, ::8] == 0
    difference = (newest_latent(kontext, "routed") - newest_latent(kontext, "photo")).abs().amax(1)[0]
    assert outside.any()
    assert difference[outside].max() < 0.2 * difference[~outside].max()


def test_without_maps_only_the_mask_is_refused(kontext, photo):
    graph = routing(photo, blocks="none", seed=99)
    del graph["9"], graph["11"]
    with pytest.raises(ComfyError, match="RegionRoute Sampler has no MASK"):
        kontext.run(graph)
    del graph["10"]
    kontext.run(graph)


def test_capture_on_a_stock_ksampler(kontext, photo):
    outputs = kontext.run(capturing(photo, ["22", 0]))
    (first,) = images(kontext, outputs, "23")
    outputs = kontext.run(capturing(photo, ["22", 0], seed=6))
    (second,) = images(kontext, outputs, "23")
    assert first.shape[1:] == (256, 3)
    assert not np.array_equal(first[:192], second[:192])


def test_a_changed_seed_shows_its_own_maps_over_the_same_image(kontext, photo):
    """ComfyUI takes Capture Attention from its cache, but the maps belong to the sampler's new run."""
    shown = []
    for seed in (5, 6, 5):
        graph = capturing(photo, ["2", 0], seed=seed)
        graph["23"]["inputs"] |= {"latent": ["21", 0], "opacity": 1.0}
        shown.append(images(kontext, kontext.run(graph), "23")[0])
    assert not np.array_equal(shown[0][:192], shown[1][:192])
    assert np.array_equal(shown[0], shown[2])


def test_changed_settings_of_the_preview_do_not_sample_again(kontext, photo):
    progress = []
    graph = capturing(photo, ["22", 0], seed=8)
    kontext.run(graph)
    graph["23"]["inputs"]["step"] = "each"
    outputs = kontext.run(graph, on_progress=lambda node, *_: progress.append(node))
    assert len(outputs["23"]["images"]) == 2
    assert "21" not in progress


def test_two_captures_of_the_same_inputs_do_not_share_their_maps(kontext, photo):
    graph = capturing(photo, ["22", 0])
    second = {"model": ["1", 0], "conditioning": ["6", 0], "blocks": "all"}
    graph |= {
        "30": {"class_type": "StyleRoute_CaptureAttention", "inputs": second},
        "31": {"class_type": "KSampler", "inputs": graph["21"]["inputs"] | {"model": ["30", 0], "seed": 6}},
        "33": preview(["30", 1], ["2", 0], opacity=1.0),
    }
    graph["33"]["inputs"]["latent"] = ["31", 0]
    graph["23"]["inputs"] |= {"image": ["2", 0], "latent": ["21", 0], "opacity": 1.0}
    outputs = kontext.run(graph)
    (first,), (other,) = (images(kontext, outputs, node) for node in ("23", "33"))
    assert not np.array_equal(first[:192], other[:192])


def test_a_preview_that_does_not_wait_is_refused(kontext, photo):
    graph = capturing(photo, ["2", 0], seed=9) | {"24": {"class_type": "PreviewImage", "inputs": {"images": ["22", 0]}}}
    with pytest.raises(ComfyError, match="Connect that sampler's LATENT to 'latent'"):
        kontext.run(graph)


def test_sampler_custom_advanced(kontext, photo):
    graph = capturing(photo, ["22", 0])
    graph |= {
        "40": {"class_type": "BasicGuider", "inputs": {"model": ["20", 0], "conditioning": ["6", 0]}},
        "41": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "dpmpp_2m"}},
        "42": {
            "class_type": "BasicScheduler",
            "inputs": {"model": ["20", 0], "scheduler": "simple", "steps": 3, "denoise": 1.0},
        },
        "43": {"class_type": "RandomNoise", "inputs": {"noise_seed": 3}},
        "21": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["43", 0],
                "guider": ["40", 0],
                "sampler": ["41", 0],
                "sigmas": ["42", 0],
                "latent_image": ["3", 0],
            },
        },
    }
    graph["23"]["inputs"]["step"] = "each"
    assert len(kontext.run(graph)["23"]["images"]) == 3


def test_an_interrupted_run_leaves_no_trace(kontext, photo):
    def base() -> torch.Tensor:
        kontext.run(plain)
        return newest_latent(kontext, "routed")

    plain = routing(photo, blocks="none", heat_preview=False)
    for node in ("9", "10", "11"):
        del plain[node]
    before = base()
    long = routing(photo, region_expert="auto", background_lock=1.0, steps=500)
    with pytest.raises(ComfyError, match="interrupted at StyleRoute_RegionRouteSampler"):
        kontext.run(long, on_progress=lambda *_: kontext.interrupt())
    plain["7"]["inputs"]["denoise"] = 0.9999999  # a new value, so that ComfyUI does not use its cache
    assert torch.equal(base(), before)


def test_a_prompt_without_phrases_is_refused_and_the_queue_goes_on(kontext, photo):
    graph = capturing(photo, ["22", 0])
    graph["4"] = {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["1", 1], "text": "make the guitar in mosaic style"},
    }
    with pytest.raises(ComfyError, match="Encode the prompt with Region Style Prompt"):
        kontext.run(graph)
    kontext.run(routing(photo, seed=17))


def test_the_mask_chains_to_inpainting(kontext, photo):
    """Stock nodes change the image inside the region only."""
    graph = routing(photo) | {
        "30": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["3", 0], "mask": ["31", 0]}},
        "31": {"class_type": "ThresholdMask", "inputs": {"mask": ["9", 1], "value": 0.05}},
        "32": {
            "class_type": "KSampler",
            "inputs": SAMPLER
            | {"model": ["1", 0], "positive": ["6", 0], "negative": ["6", 0], "latent_image": ["30", 0], "seed": 21},
        },
        "33": {"class_type": "SaveLatent", "inputs": {"samples": ["32", 0], "filename_prefix": "inpainted"}},
        "34": {"class_type": "SaveLatent", "inputs": {"samples": ["3", 0], "filename_prefix": "photo"}},
        "35": {"class_type": "MaskPreview", "inputs": {"mask": ["31", 0]}},
    }
    outputs = kontext.run(graph)
    outside = torch.from_numpy(images(kontext, outputs, "35")[0][..., 0].copy())[::8, ::8] == 0
    difference = (newest_latent(kontext, "inpainted") - newest_latent(kontext, "photo")).abs().amax(1)[0]
    assert outside.any()
    assert not outside.all()
    assert difference[~outside].mean() > 5 * difference[outside].mean()


def test_a_missing_object_breaks_nothing(kontext, photo):
    graph = routing(photo, seed=22, background_lock=0.5)
    graph["4"]["inputs"]["text"] = "make the teapot in mosaic style"
    outputs = kontext.run(graph)
    (heat,), (mask,) = (images(kontext, outputs, node) for node in ("9", "10"))
    assert heat[:192].std() > 0
    contrast = float(outputs["9"]["text"][0].rsplit(": contrast ", 1)[1].split()[0])
    assert mask.max() / 255 == pytest.approx(min(contrast / 0.5, 1), abs=0.03)


def test_everything_at_once(kontext, photo):
    """A batch with a negative prompt, a long object phrase, the lock, the live preview and maps of every step."""
    words = " ".join(f"long{number}" for number in range(40))
    graph = routing(photo, seed=23, cfg=3.0, background_lock=0.5) | {
        "40": {"class_type": "RepeatLatentBatch", "inputs": {"samples": ["3", 0], "amount": 2}},
        "41": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
    }
    graph["4"]["inputs"]["text"] = f"make the {words} in mosaic style"
    graph["7"]["inputs"] |= {"latent_image": ["40", 0], "negative": ["41", 0]}
    graph["9"]["inputs"] |= {"span": "object", "step": "each"}
    outputs = kontext.run(graph)
    assert len(images(kontext, outputs, "10")) == 2
    assert len(images(kontext, outputs, "9")) == 2 * 2
