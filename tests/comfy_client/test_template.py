"""Tags in the titles of a workflow: which inputs they fill, and what is said about a tag that does not fit."""

import json
from pathlib import Path

import pytest
from styleroute.comfy_client import WorkflowTemplate
from styleroute.errors import ComfyError

USUAL = {"content": ("image",), "prompt": ("text", "value"), "seed": ("seed", "noise_seed"), "width": ("width",)}


def node(kind: str, title: str, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def workflow(**changes: dict) -> dict:
    return {
        "1": node("LoadImage", "Photo [content]", image="old.png"),
        "2": node("CLIPTextEncodeFlux", "Words [prompt:clip_l] [ prompt : t5xxl ]", clip_l="", t5xxl="", guidance=3.5),
        "3": node("RandomNoise", "Noise [seed]", noise_seed=1),
        "4": node("EmptyLatentImage", "Size [width] [draft]", width=64, height=64),
        "5": node("SaveImage", "Save", images=["1", 0]),
    } | changes


def template(prompt: dict, needed: tuple[str, ...] = ()) -> WorkflowTemplate:
    return WorkflowTemplate(Path("flow.json"), prompt, USUAL, needed)


def test_values_go_into_the_tagged_inputs():
    found = template(workflow(), ("content", "seed"))
    filled = found.filled({"content": "new.png", "prompt": "a dog", "seed": 7, "width": 32})
    assert filled["1"]["inputs"] == {"image": "new.png"}
    assert filled["2"]["inputs"] == {"clip_l": "a dog", "t5xxl": "a dog", "guidance": 3.5}
    assert filled["3"]["inputs"] == {"noise_seed": 7}
    assert filled["4"]["inputs"] == {"width": 32, "height": 64}
    assert found.result == "5"
    assert found.filled({}) == workflow()
    assert [(one.tag, one.node, one.name) for one in found.inputs][:2] == [
        ("content", "1", "image"),
        ("prompt", "2", "clip_l"),
    ]


def test_several_nodes_may_have_one_tag_and_one_node_several():
    more = {
        "6": node("LoadImage", "Same photo [content]", image=""),
        "7": node("Both", "[seed] [width]", seed=0, width=8),
    }
    filled = template(workflow(**more)).filled({"content": "x.png", "seed": 3, "width": 16})
    assert (filled["1"]["inputs"], filled["6"]["inputs"]) == ({"image": "x.png"}, {"image": "x.png"})
    assert filled["7"]["inputs"] == {"seed": 3, "width": 16}


@pytest.mark.parametrize(
    ("changes", "needed", "sentence"),
    [
        (
            {"1": node("LoadImage", "Photo", image="")},
            ("content",),
            r"no node with the tag \[content\].*only the titles",
        ),
        (
            {"3": node("Noise", "N [seed]", number=1)},
            (),
            r"'N \[seed\]' \(node 3\) .*no input seed or noise_seed",
        ),
        ({"3": node("Noise", "[seed:x]", seed=1)}, (), "no input x, only seed"),
        ({"3": node("Noise", "[seed]", seed=["8", 0])}, (), "comes from node 8, so the tag"),
        ({"3": node("Noise", "[seed]", seed=["1", 0])}, (), r"comes from LoadImage 'Photo \[content\]' \(node 1\)"),
        ({"6": node("SaveImage", "Two")}, (), "has 2 nodes that may give the result"),
        ({"5": node("Upscale", "None")}, (), "has 0 nodes that may give the result"),
    ],
)
def test_a_tag_that_does_not_fit_is_named(changes: dict, needed: tuple[str, ...], sentence: str):
    with pytest.raises(ComfyError, match=sentence):
        template(workflow(**changes), needed)


def test_the_result_is_tagged_or_the_only_saved_image():
    preview = {"6": node("PreviewImage", "Preview")}
    assert template(workflow(**preview)).result == "5"
    assert template(workflow(**preview, **{"7": node("SaveImage", "Best [result]")})).result == "7"
    assert template({"6": node("PreviewImage", "Preview")}).result == "6"


def test_a_file_is_read_and_its_nodes_are_looked_for(tmp_path: Path):
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(workflow()), encoding="utf-8")
    server = {entry["class_type"]: {} for entry in workflow().values()}
    assert WorkflowTemplate.read(path, USUAL, ("content",), server).result == "5"
    del server["RandomNoise"]
    with pytest.raises(ComfyError, match="nodes that the server does not have: RandomNoise"):
        WorkflowTemplate.read(path, USUAL, (), server)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "cannot be used as a workflow"),
        ("[]", "it holds no nodes"),
        ('{"nodes": [], "links": []}', "the page saved it with its layout"),
        ('{"1": {"inputs": 3}}', "the entry '1' is no node"),
    ],
)
def test_other_files_are_refused(text: str, sentence: str, tmp_path: Path):
    path = tmp_path / "flow.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ComfyError, match=sentence):
        WorkflowTemplate.read(path, USUAL, (), {})
    with pytest.raises(ComfyError, match="No such file"):
        WorkflowTemplate.read(tmp_path / "none.json", USUAL, (), {})
