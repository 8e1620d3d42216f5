"""Both protocols in ComfyUI: the values of each trial, the checks before work, and the shipped workflows for real."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError
from styleroute.evaluation.protocols import comfyui_systems
from styleroute.evaluation.protocols.options import (
    ComfyOptions,
    Generation,
    PaperRegions,
    PaperStyles,
    StyleExpertFiles,
)
from styleroute.evaluation.protocols.region_route import RegionProtocol
from styleroute.evaluation.protocols.running import region_images, style_images
from styleroute.evaluation.protocols.style_expert import StyleProtocol
from styleroute.paths import PACK, TINY_PACK

WORKFLOWS = PACK / "evaluation" / "protocols" / "workflows"
COMFYUI = Generation("comfyui")


def node(kind: str, title: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


FLOW = {
    "1": node("LoadImage", "[content]", image=""),
    "2": node("LoadImage", "[style]", image=""),
    "3": node("Text", "[prompt]", text=""),
    "4": node("KSampler", "[seed]", seed=0),
    "5": node("Size", "[width] [height]", width=8, height=8),
    "6": node("SaveImage", "Save"),
}
REGION_FLOW = FLOW | {
    "2": node("Text", "[style] [object:other]", text="", other=""),
    "7": node("LoraLoader", "[expert]", lora_name=""),
    "8": node("LoadImageMask", "[mask]", image=""),
}


class FakeServer:
    """Stands for a server: notes the prompts and uploads, and gives a grey image."""

    def __init__(self, url: str) -> None:
        self.url = url
        SERVERS.append(self)
        self.prompts, self.uploads = [], []

    def object_info(self) -> dict:
        return {entry["class_type"]: {} for entry in (FLOW | REGION_FLOW).values()}

    def upload_image(self, path: Path, subfolder: str) -> str:
        self.uploads.append(path)
        return f"{subfolder}/{path.name}"

    def run(self, prompt: dict) -> dict:
        self.prompts.append(prompt)
        return {"6": {"images": [{"filename": "x.png"}]}}

    def fetch_image(self, filename: str) -> Image.Image:
        return Image.new("RGB", (64, 64))


SERVERS: list[FakeServer] = []


@pytest.fixture(autouse=True)
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    SERVERS.clear()
    if "comfyui_server" not in request.fixturenames:
        monkeypatch.setattr(comfyui_systems, "ComfyClient", FakeServer)


def write(folder: Path, flow: dict) -> ComfyOptions:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flow.json").write_text(json.dumps(flow), encoding="utf-8")
    return ComfyOptions(folder / "flow.json")


def values(flow: dict) -> list:
    return [value for entry in flow.values() for value in entry["inputs"].values()]


def test_styles_fill_images_prompt_seed_and_size(protocol: StyleProtocol, tmp_path: Path) -> None:
    small = replace(protocol, pairs=1, style_count=1, prompt="a house")
    config = PaperStyles(small, COMFYUI, comfyui=write(tmp_path, FLOW))
    images = style_images(config)
    (server,), (first, second) = SERVERS, images.trials
    names = [f"styleroute/{Path(name).name}" for name in (first.content, first.reference)]
    assert values(server.prompts[0]) == [*names, "a house", 0, 1024, 1024]
    assert values(server.prompts[1]) == [*names, "a house", 1, 1024, 1024]
    assert len(server.uploads) == 2
    assert images.folders[0].name == "flow"
    assert len(images.folders[0].find([first.name, second.name])) == 2
    style_images(config)
    assert not SERVERS[1].prompts
    style_images(replace(config, experts=StyleExpertFiles(size=512)))
    assert values(SERVERS[2].prompts[0])[-2:] == [512, 512]


def test_regions_fill_words_mask_and_expert(regions: RegionProtocol, tmp_path: Path) -> None:
    images = region_images(PaperRegions(regions, COMFYUI, comfyui=write(tmp_path, REGION_FLOW)))
    prompts = {prompt["3"]["inputs"]["text"]: prompt for prompt in SERVERS[0].prompts}
    assert len(prompts) == len(images.trials) == 4
    trial = images.trials[0]
    assert values(prompts[trial.prompt]) == [
        "styleroute/dog_1.png", "pixel art", "dog", trial.prompt, 0, 64, 64, "pixel-art.safetensors",
        "styleroute/dog_1.png",
    ]  # fmt: skip
    assert {path.parent.name for path in SERVERS[0].uploads} == {"photos", "masks"}


def test_what_is_filled_is_printed_first(protocol: StyleProtocol, tmp_path: Path, capsys) -> None:
    style_images(PaperStyles(replace(protocol, pairs=1), COMFYUI, comfyui=write(tmp_path, FLOW)))
    assert "[seed] -> seed of KSampler '[seed]' (node 4)" in capsys.readouterr().out


def test_a_missing_tag_is_named_before_the_trials(protocol: StyleProtocol, tmp_path: Path) -> None:
    flow = FLOW | {"4": node("KSampler", "Sampler", seed=0)}
    with pytest.raises(ComfyError, match=r"flow.json has no node with the tag \[seed\]"):
        style_images(PaperStyles(protocol, COMFYUI, comfyui=write(tmp_path, flow)))
    assert not protocol.output.exists()


def test_a_run_without_an_image_is_refused(protocol: StyleProtocol, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(FakeServer, "run", lambda self, prompt: {})
    with pytest.raises(ComfyError, match=r"flow.json gave no image for ink_000_0: write \[result\]"):
        style_images(PaperStyles(protocol, COMFYUI, comfyui=write(tmp_path, FLOW)))


@pytest.fixture(scope="module")
def comfyui_server() -> Iterator[ComfyServer]:
    with ComfyServer.start(packs=(PACK, TINY_PACK)) as server:
        yield server


def with_steps(name: str, steps: int, folder: Path, server: ComfyServer) -> ComfyOptions:
    """A shipped workflow with fewer sampling steps."""
    flow = json.loads((WORKFLOWS / name).read_text(encoding="utf-8"))
    for entry in flow.values():
        if "steps" in entry["inputs"]:
            entry["inputs"]["steps"] = steps
    return replace(write(folder / Path(name).stem, flow), server=(server.url,))


@pytest.mark.comfy
def test_the_shipped_workflow_for_styles_runs(
    protocol: StyleProtocol, comfyui_server: ComfyServer, tmp_path: Path
) -> None:
    for name in ("0.png", "1.png", "2.png", "3.png"):
        (protocol.contents / name).write_bytes((PACK / "assets" / "scene_guitar.png").read_bytes())
    for number, name in enumerate(("style_ink_comic", "style_unseen_autumn_oil")):
        (protocol.styles / "ink" / f"{number}.png").write_bytes((PACK / "assets" / f"{name}.png").read_bytes())
    for style in ("mosaic", "wool"):
        (protocol.styles / style).rename(tmp_path / style)
    small = replace(protocol, pairs=2, seeds=1)
    options = with_steps("paper_styles.json", 2, tmp_path, comfyui_server)
    images = style_images(PaperStyles(small, COMFYUI, StyleExpertFiles(size=256), comfyui=options))
    files = images.folders[0].find([trial.name for trial in images.trials])
    first, second = (np.asarray(Image.open(path)).astype(int) for path in files.values())
    assert first.shape == second.shape == (256, 256, 3)
    assert np.abs(first - second).mean() > 2
    assert len(list((comfyui_server.folder / "input" / "styleroute").iterdir())) >= 2


@pytest.mark.comfy
def test_the_shipped_workflow_for_regions_runs(
    regions: RegionProtocol, comfyui_server: ComfyServer, tmp_path: Path
) -> None:
    scene = Image.open(PACK / "assets" / "scene_guitar.png")
    scene.convert("RGB").resize((64, 64)).save(regions.data / "test" / "dog_1_im.jpg")
    small = replace(regions, styles=("indigo dots", "green chalk"), side=256)
    options = with_steps("paper_regions.json", 2, tmp_path, comfyui_server)
    images = region_images(PaperRegions(small, COMFYUI, comfyui=options))
    files = images.folders[0].find([trial.name for trial in images.trials])
    first, second = (np.asarray(Image.open(path)).astype(int) for path in files.values())
    assert first.shape == second.shape == (256, 256, 3)
    assert np.abs(first - second).mean() > 0.5
