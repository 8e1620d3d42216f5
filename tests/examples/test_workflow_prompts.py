"""In every example workflow, stock T5TokenizerOptions sets the length of the prompt."""

import json
from pathlib import Path

import pytest
from styleroute.paths import PACK
from styleroute.training.tiny.config import T5_TOKENS

WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_prompt_has_the_length_of_the_training(path: Path) -> None:
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link: (source, target) for link, source, _, target, *_ in workflow["links"]}
    prompts = [node for node in nodes.values() if node["type"] in ("CLIPTextEncode", "StyleRoute_RegionPrompt")]
    assert prompts
    for prompt in prompts:
        [clip] = [link["link"] for link in prompt["inputs"] if link["name"] == "clip"]
        options = nodes[links[clip][0]]
        assert (options["type"], options["widgets_values"]) == ("T5TokenizerOptions", [0, T5_TOKENS])
    note = next(node["widgets_values"][0] for node in nodes.values() if node["type"] == "MarkdownNote")
    assert "**Prompt length**: min_length" in note
    assert all(link in links for node in nodes.values() for each in node["inputs"] if (link := each["link"]))
