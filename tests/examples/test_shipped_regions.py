"""The shipped region experts fit the shipped small Kontext, and their maps find the object in the prompt."""

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.dataset.region_manifest import region_prompt
from styleroute.moe import StyleExpert
from styleroute.paths import PACK

STYLES = ("indigo dots", "green chalk")
SCENE = PACK / "assets" / "scene_guitar.png"
BOXES = {"guitar": (slice(0, 6), slice(2, 9)), "owl": (slice(7, 14), slice(8, 14))}
"""Rows and columns of the objects in the scene's 16 x 16 cells."""
SUPERVISED = {("single", 2), ("single", 3), ("single", 4)}

each_style = pytest.mark.parametrize("style", STYLES)


@pytest.fixture
def shipped(tiny_kontext, monkeypatch):
    """The demo pack with the repository's weights, and its experts in ComfyUI's folders."""
    import folder_paths

    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    loading = tiny_kontext.loading
    folder = str(loading.models_folder() / "style_experts")
    for kind, folders in (("style_experts", [folder]), ("loras", [])):
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, (folders, {".safetensors"}))
        folder_paths.filename_list_cache.pop(kind, None)
    yield loading
    for kind in ("style_experts", "loras"):
        folder_paths.filename_list_cache.pop(kind, None)


def _file(loading, style: str):
    return loading.models_folder() / "style_experts" / f"{style.replace(' ', '-')}.safetensors"


@each_style
def test_a_shipped_expert_fits_and_records_its_blocks(shipped, style):
    from styleroute.attention.selection import parse_blocks
    from styleroute.nodes.maps.capture import block_counts
    from styleroute.nodes.model_patching import patch_keys
    from styleroute.nodes.regions.region_experts import supervised_blocks

    expert, model = StyleExpert.open(_file(shipped, style)), shipped.load_model()
    assert patch_keys(model, expert).keys() == set(expert.layers)
    assert set(parse_blocks(supervised_blocks([expert]), block_counts(model))) == SUPERVISED
    assert expert.training["style"] == style


@each_style
@pytest.mark.parametrize("thing", BOXES)
def test_the_map_finds_the_named_object(shipped, style, thing):
    from styleroute.nodes.regions.region_prompt import RegionPrompt
    from styleroute.nodes.regions.region_sampler import RegionRouteSampler

    model, vae = shipped.load_model(), shipped.load_vae()
    latent = vae.encode(torch.from_numpy(np.array(Image.open(SCENE).convert("RGB")))[None].float() / 255)
    (text, options), *_ = RegionPrompt.execute(shipped.load_clip(), region_prompt(thing, style)).result[0]
    positive = [[text, {**options, "guidance": 3.5, "reference_latents": [latent]}]]
    settings = {"seed": 0, "steps": 6, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    region = {"region_expert": "auto", "expert_strength": 1.0, "region": "style"}
    _, maps, _ = RegionRouteSampler.execute(
        model, positive, {"samples": latent}, background_lock=0.0, heat_preview=False, **region, **settings
    ).result
    cells = maps.mean(0, f"style: {style}")
    rows, columns = BOXES[thing]
    inside = torch.zeros_like(cells)
    inside[rows, columns] = 1
    assert inside.flatten()[cells.argmax()] == 1
    assert (cells * inside).sum() > 0.5 * cells.sum()


def test_the_demo_uses_the_style_of_the_workflow(monkeypatch):
    from styleroute.demo.region import DEFAULT_STYLE, WORKFLOW, choose_expert, shipped_experts

    monkeypatch.delenv("TINY_KONTEXT_MODELS", raising=False)
    shipped = shipped_experts()
    assert set(STYLES) == shipped.keys()
    assert choose_expert(None, shipped) == (shipped[DEFAULT_STYLE], DEFAULT_STYLE)
    assert choose_expert("Green-Chalk", shipped) == (shipped["green chalk"], "green chalk")
    assert f"in {DEFAULT_STYLE} style" in WORKFLOW.read_text(encoding="utf-8")
