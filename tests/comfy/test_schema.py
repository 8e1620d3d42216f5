"""The schema, the locale and a help page describe every node, input and output."""

import asyncio
import json
from pathlib import Path

import pytest
import styleroute

ROOT = Path(styleroute.__file__).parent
IDS = [
    "StyleRoute_LoadStyleExpert",
    "StyleRoute_EncodeStyle",
    "StyleRoute_MixStyles",
    "StyleRoute_SaveStyle",
    "StyleRoute_LoadStyle",
    "StyleRoute_StyleReferences",
    "StyleRoute_MoEApply",
    "StyleRoute_StyleGuider",
    "StyleRoute_RoutingPreview",
    "StyleRoute_SaveStyleLoRA",
    "StyleRoute_RegionPrompt",
    "StyleRoute_RegionRouteSampler",
    "StyleRoute_CaptureAttention",
    "StyleRoute_AttentionMapPreview",
]


@pytest.fixture
def schemas(parts):
    extension = asyncio.run(styleroute.comfy_entrypoint())
    return {schema.node_id: schema for node in asyncio.run(extension.get_node_list()) for schema in [node.GET_SCHEMA()]}


def test_the_nodes(schemas):
    assert list(schemas) == IDS


def test_everything_is_described(schemas):
    for schema in schemas.values():
        assert schema.description
        assert schema.category == "StyleRoute"
        assert all(field.tooltip for field in (*schema.inputs, *schema.outputs))


def test_the_locale_equals_the_schemas(schemas):
    assert json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text()) == {
        node_id: {
            "display_name": schema.display_name,
            "description": schema.description,
            "inputs": {field.id: {"name": field.id, "tooltip": field.tooltip} for field in schema.inputs},
            "outputs": {
                str(index): {"name": field.display_name or field.io_type, "tooltip": field.tooltip}
                for index, field in enumerate(schema.outputs)
            },
        }
        for node_id, schema in schemas.items()
    }


@pytest.mark.parametrize("node_id", IDS)
def test_help_pages_name_every_input(schemas, node_id):
    page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text()
    assert page.startswith(f"# {schemas[node_id].display_name}\n")
    assert all(f"| {field.id} |" in page for field in schemas[node_id].inputs)


WORDS_OF_ARTISTS = {
    "ipadapter": {"StyleRoute_EncodeStyle", "StyleRoute_MoEApply"},
    "redux": {"StyleRoute_EncodeStyle"},
    "uso": {"StyleRoute_EncodeStyle"},
    "instantstyle": {"StyleRoute_EncodeStyle"},
    "style image": {"StyleRoute_EncodeStyle"},
    "reference image": {"StyleRoute_EncodeStyle"},
    "artistic": {"StyleRoute_MoEApply"},
    "painting": {"StyleRoute_MoEApply"},
    "mask": {"StyleRoute_RegionRouteSampler", "StyleRoute_AttentionMapPreview"},
    "mask from text": {"StyleRoute_RegionRouteSampler", "StyleRoute_AttentionMapPreview"},
    "segment": {"StyleRoute_RegionRouteSampler", "StyleRoute_AttentionMapPreview", "StyleRoute_CaptureAttention"},
}


@pytest.mark.parametrize("word", WORDS_OF_ARTISTS)
def test_nodes_are_found_by_the_words_that_artists_type(schemas, word):
    if not all(hasattr(schema, "search_aliases") for schema in schemas.values()):
        pytest.skip("this ComfyUI has no search aliases")
    found = {node_id for node_id, schema in schemas.items() if word in schema.search_aliases}
    assert found >= WORDS_OF_ARTISTS[word]
