"""A workflow as a template: the titles of its nodes say which inputs get which value.

A title holds a tag in brackets, such as "Photo [content]" or "KSampler [seed]". The tag's value goes into the first of
its usual inputs that the node has. `[prompt:t5xxl]` names the input. Several nodes may have one tag, and a title may
hold several tags. The node Save Image, or the node with the tag `[result]`, gives the result.
"""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ComfyError
from .workflow import Prompt

RESULT = "result"
SAVING = ("SaveImage", "PreviewImage")
"""Classes of nodes that usually give the result."""
_TAG = re.compile(r"\[\s*(\w+)\s*(?::\s*([\w.]+)\s*)?\]")


@dataclass(frozen=True)
class FilledInput:
    """An input of a node that gets a value.

    Attributes:
        tag: the value's name.
        node: id of the node.
        name: name of the input.
        label: class, title and id of the node, for messages.
    """

    tag: str
    node: str
    name: str
    label: str


class WorkflowTemplate:
    """A workflow whose tagged inputs change from image to image.

    Args:
        path: file of the workflow, for messages.
        prompt: the workflow in API form.
        usual: the usual inputs of each tag, in the order in which they are looked for.
        needed: the tags that the workflow must have.

    Attributes:
        inputs: the inputs that get a value.
        result: id of the node that gives the result.

    Raises:
        ComfyError: a needed tag is missing, a tagged node has no fitting input, or the result is unclear.
    """

    def __init__(
        self, path: Path, prompt: Prompt, usual: Mapping[str, Sequence[str]], needed: Sequence[str] = ()
    ) -> None:
        self.path, self._prompt = path, prompt
        tags = [(node, *tag) for node in prompt for tag in _TAG.findall(_title(prompt[node]))]
        self.inputs = [self._input(node, tag, named, usual[tag]) for node, tag, named in tags if tag in usual]
        found = {one.tag for one in self.inputs}
        if missing := [tag for tag in needed if tag not in found]:
            raise self._missing(missing[0], usual[missing[0]])
        self.result = self._result_node([node for node, tag, _ in tags if tag == RESULT])

    @classmethod
    def read(
        cls, path: Path, usual: Mapping[str, Sequence[str]], needed: Sequence[str], nodes: Mapping[str, Any]
    ) -> "WorkflowTemplate":
        """A template from a workflow in API form.

        Args:
            path: the file.
            usual: the usual inputs of each tag.
            needed: the tags that the workflow must have.
            nodes: the server's nodes, from `ComfyClient.object_info`.

        Raises:
            ComfyError: the file is no workflow, the server lacks a node, or the tags do not fit.
        """
        prompt = read_prompt(path)
        if absent := sorted({node["class_type"] for node in prompt.values()} - nodes.keys()):
            raise ComfyError(
                f"{path} uses nodes that the server does not have: {', '.join(absent)}. Install their packs there, or "
                "give another workflow."
            )
        return cls(path, prompt, usual, needed)

    def filled(self, values: Mapping[str, Any]) -> Prompt:
        """The workflow with these values; tags without a value keep the workflow's own."""
        prompt = copy.deepcopy(self._prompt)
        for one in self.inputs:
            if one.tag in values:
                prompt[one.node]["inputs"][one.name] = values[one.tag]
        return prompt

    def _input(self, node: str, tag: str, named: str, usual: Sequence[str]) -> FilledInput:
        inputs, label = self._prompt[node]["inputs"], _label(self._prompt, node)
        name = next((name for name in ([named] if named else usual) if name in inputs), None)
        if name is None:
            raise ComfyError(
                f"{label} in {self.path.name} has the tag [{tag}], but no input {named or ' or '.join(usual)}, only "
                f"{', '.join(inputs) or 'none'}. Move the tag to another node, or name the input: [{tag}:INPUT]."
            )
        if isinstance(inputs[name], list):
            source = inputs[name][0]
            where = _label(self._prompt, source) if source in self._prompt else f"node {source}"
            raise ComfyError(
                f"The input {name} of {label} in {self.path.name} comes from {where}, so the tag [{tag}] cannot set "
                "it. Move the tag to the title of that node."
            )
        return FilledInput(tag, node, name, label)

    def _missing(self, tag: str, usual: Sequence[str]) -> ComfyError:
        titles = ", ".join(dict.fromkeys(_title(node) for node in self._prompt.values()))
        return ComfyError(
            f"{self.path.name} has no node with the tag [{tag}] in its title, only the titles {titles}. Write [{tag}] "
            f"into the title of the node whose input {' or '.join(usual)} gets it, and save the workflow again."
        )

    def _result_node(self, tagged: Sequence[str]) -> str:
        saving = [node for node in self._prompt if self._prompt[node]["class_type"] in SAVING]
        saved = [node for node in saving if self._prompt[node]["class_type"] == SAVING[0]]
        for nodes in (tagged, saved, saving):
            if len(nodes) == 1:
                return nodes[0]
        raise ComfyError(
            f"{self.path.name} has {len(tagged or saving)} nodes that may give the result, expected one. Write "
            "[result] into the title of one node Save Image."
        )


def read_prompt(path: Path) -> Prompt:
    """The workflow of a file that ComfyUI's page exported in API form.

    Raises:
        ComfyError: the file is no such workflow.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(path, str(error)) from error
    if (problem := _problem(content)) is not None:
        raise _unusable(path, problem)
    return content


def _problem(content: Any) -> str | None:
    """Why a file's content is no workflow in API form; None if it is one."""
    if not isinstance(content, dict) or not content:
        return "it holds no nodes"
    if isinstance(content.get("nodes"), list):
        return "the page saved it with its layout, not in API form"
    for number, node in content.items():
        if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict) or not node.get("class_type"):
            return f"the entry {number!r} is no node with class_type and inputs"
    return None


def _unusable(path: Path, problem: str) -> ComfyError:
    return ComfyError(
        f"{path} cannot be used as a workflow ({problem}): choose `Export (API)` in the menu of ComfyUI's page."
    )


def _title(node: Mapping[str, Any]) -> str:
    return str((node.get("_meta") or {}).get("title") or node["class_type"])


def _label(prompt: Prompt, node: str) -> str:
    return f"{prompt[node]['class_type']} {_title(prompt[node])!r} (node {node})"
