"""Conversion of a saved workflow into the API form, and the search for nodes in it."""

import pytest
from styleroute.comfy_client import api_form, find_node, inputs_of, node_of_class
from styleroute.errors import ComfyError

OBJECT_INFO = {
    "Load": {"input": {"required": {"name": [["a.png", "b.png"], {"image_upload": True}]}}, "display_name": "Load it"},
    "Sample": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"control_after_generate": True}],
                "steps": ["INT", {"default": 20}],
            },
            "optional": {"image": ["IMAGE"], "strength": ["FLOAT", {}]},
        }
    },
}


def workflow(*nodes: dict) -> dict:
    return {"nodes": list(nodes), "links": [[9, 1, 0, 2, 0, "IMAGE"]]}


LOAD = {"id": 1, "type": "Load", "widgets_values": ["b.png", "image"]}
SAMPLE = {
    "id": 2,
    "type": "Sample",
    "title": "Sampler",
    "inputs": [{"name": "image", "link": 9}, {"name": "model", "link": None}],
    "widgets_values": [5, "fixed", 28, 0.5],
}


def test_widgets_get_their_names_and_links_their_sources():
    prompt = api_form(workflow(LOAD, SAMPLE), OBJECT_INFO)
    assert prompt["1"]["inputs"] == {"name": "b.png"}
    assert prompt["2"]["inputs"] == {"seed": 5, "steps": 28, "strength": 0.5, "image": ["1", 0]}


def test_nodes_are_found_by_title_or_display_name():
    prompt = api_form(workflow(LOAD, SAMPLE), OBJECT_INFO)
    assert (find_node(prompt, "Load it"), find_node(prompt, "Sampler")) == ("1", "2")


def test_nodes_and_inputs_are_found_by_class():
    prompt = api_form(workflow(LOAD, SAMPLE), OBJECT_INFO)
    assert node_of_class(prompt, "Sample") == "2"
    inputs_of(prompt, "Sample")["steps"] = 4
    assert prompt["2"]["inputs"]["steps"] == 4


@pytest.mark.parametrize("search", [find_node, node_of_class, inputs_of])
def test_a_missing_node_is_an_error_that_lists_the_others(search):
    prompt = api_form(workflow(LOAD, SAMPLE), OBJECT_INFO)
    with pytest.raises(ComfyError, match=r"no node with the (title|class) 'Nowhere', only Load"):
        search(prompt, "Nowhere")


def test_notes_are_left_out_and_missing_nodes_named():
    note = {"id": 3, "type": "MarkdownNote", "widgets_values": ["hello"]}
    assert "3" not in api_form(workflow(LOAD, note), OBJECT_INFO)
    with pytest.raises(ComfyError, match="lacks the nodes Elsewhere"):
        api_form(workflow({"id": 4, "type": "Elsewhere"}), OBJECT_INFO)
