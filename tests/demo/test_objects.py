"""The demo with named objects: its pairs, and the chain of MoE Apply nodes that it makes from the workflow."""

import json
from pathlib import Path

import pytest
from PIL import Image
from styleroute.comfy_client import Prompt, api_form, find_node, inputs_of
from styleroute.demo.objects import MAX_OBJECTS, WORKFLOW, objects_demo, prompt_of, read_pairs, set_object_count
from styleroute.errors import DataError, StyleRouteError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "style=1.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.fixture
def prompt() -> Prompt:
    """The workflow in API form, without the values of widgets."""
    workflow = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    return api_form(workflow, {node["type"]: {"input": {}} for node in workflow["nodes"]})


def test_each_pair_names_an_object_and_its_style_image(image: Path) -> None:
    first, second = read_pairs([f"the guitar={image}", f" an owl = {image} "])
    assert (first.phrase, second.phrase) == ("the guitar", "an owl")
    assert first.image.size == (8, 8)
    assert prompt_of([first, second]) == "a guitar and an owl"


@pytest.mark.parametrize("pair", ["the guitar", "=style.png", "the guitar=", "", "  =  "])
def test_a_pair_that_is_not_complete_is_refused(pair: str) -> None:
    with pytest.raises(DataError, match=r'in --objects, expected an object and a style image, such as "the guitar='):
        read_pairs([pair])


def test_an_object_has_one_style(image: Path) -> None:
    with pytest.raises(DataError, match="The object 'a Guitar' is named twice"):
        read_pairs([f"the guitar={image}", f"a Guitar={image}"])


def test_more_objects_than_style_references_are_refused(image: Path) -> None:
    with pytest.raises(DataError, match="Found 5 objects, expected 4 at most"):
        read_pairs([f"object {number}={image}" for number in range(MAX_OBJECTS + 1)])


def test_a_style_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StyleRouteError, match=r"missing\.png"):
        read_pairs([f"the guitar={tmp_path / 'missing.png'}"])


@pytest.mark.parametrize("count", range(1, MAX_OBJECTS + 1))
def test_each_object_has_a_link_of_the_chain(prompt: Prompt, count: int) -> None:
    set_object_count(prompt, count)
    model = inputs_of(prompt, "KSampler")["model"][0]
    for number in range(count, 0, -1):
        assert model == find_node(prompt, f"Object {number}")
        inputs = prompt[model]["inputs"]
        style = prompt[inputs["style"][0]]
        assert style["_meta"]["title"] == f"Style {number}"
        assert style["inputs"]["image"] == [find_node(prompt, f"Style image {number}"), 0]
        model = inputs["model"][0]
    assert prompt[model]["class_type"] == "TinyKontext_Load"
    references = inputs_of(prompt, "StyleRoute_StyleReferences")
    shown = [references[name] for name in ("image", "image_2", "image_3", "image_4")[:count]]
    assert shown == [[find_node(prompt, f"Style image {number}"), 0] for number in range(1, count + 1)]
    assert sum(node["class_type"] == "StyleRoute_MoEApply" for node in prompt.values()) == count
    assert all(value[0] in prompt for node in prompt.values() for value in node["inputs"].values())


def test_the_values_belong_to_the_nodes_of_the_workflow(prompt: Prompt, image: Path) -> None:
    demo = objects_demo(None, [f"the guitar={image}", f"the owl={image}"], seed=3, strength=0.5)
    for title in (*demo.values, *demo.loaders.values(), *demo.results.values()):
        assert find_node(prompt, title)
    assert demo.values["Prompt"] == {"text": "a guitar and an owl"}
    assert demo.values["Object 2"] == {"object": "the owl", "strength": 0.5}
    assert set(demo.images) == {"content", "style_1", "style_2"}
