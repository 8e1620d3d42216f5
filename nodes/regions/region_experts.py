"""Finds the region expert of a style: the file that has the style's name."""

import os
import re
from collections.abc import Sequence

from ...attention import AttentionError
from ...attention.phrases import style_stem
from ...attention.selection import ALL
from ...moe import StyleExpert, StyleExpertError
from ...plain_text import quoted
from ..maps.region_spans import RegionSpan
from ..model_folders import expert_names, expert_path, file_state

AUTO, NO_EXPERT = "auto", "none"
MAX_NAMES = 12
"""Upper limit for the file names in an error message."""


def region_experts(choice: str, spans: Sequence[RegionSpan]) -> list[StyleExpert]:
    """Opens the experts for a prompt. "auto" opens one for each style in the prompt.

    Args:
        choice: "auto", "none" or a file name.
        spans: spans of the prompt.

    Raises:
        AttentionError: the prompt names no style, or no file has the style's name.
        StyleExpertError: a file is not a plain LoRA.
    """
    if choice == NO_EXPERT:
        return []
    names = [choice] if choice != AUTO else styles_by_file(spans)
    return [_open(name) for name in names]


def styles_by_file(spans: Sequence[RegionSpan]) -> dict[str, tuple[str, ...]]:
    """The expert files of all styles in a prompt, in the order of their first style, each with its style phrases.

    Raises:
        AttentionError: the prompt names no style, or no file has the style's name.
    """
    styles = dict.fromkeys(span.phrase for span in spans if span.role == "style")
    if not styles:
        raise AttentionError(
            "The prompt names no style, so no region expert can be found. Name a style in Region Style Prompt, or set "
            "region_expert to a file or to none."
        )
    files: dict[str, tuple[str, ...]] = {}
    for style in styles:
        name = file_of_style(style, expert_names())
        files[name] = (*files.get(name, ()), style)
    return files


def supervised_blocks(experts: Sequence[StyleExpert]) -> str:
    """The blocks whose attention the experts' training supervised, in the grammar of `parse_blocks`.

    Joins the blocks of all experts. Returns "all" without experts, or if a file does not record its blocks, as
    in the published files.
    """
    blocks: list[str] = []
    for expert in experts:
        recorded = (expert.training or {}).get("blocks")
        if not isinstance(recorded, list) or not recorded:
            return ALL
        blocks += map(str, recorded)
    return ", ".join(dict.fromkeys(blocks)) or ALL


def file_of_style(style: str, names: Sequence[str]) -> str:
    """The file that has the style's name: "pixel-art" finds pixel-art.safetensors and Pixel_Art.safetensors.

    Raises:
        AttentionError: there is none. The message lists the existing files.
    """
    for name in names:
        if style_stem(_stem(name)) == style_stem(style):
            return name
    stems = [quoted(stem) for stem in dict.fromkeys(_stem(name) for name in names)]
    more = f" and {len(stems) - MAX_NAMES} more" if len(stems) > MAX_NAMES else ""
    found = f"found {', '.join(stems[:MAX_NAMES])}{more}" if stems else "found no expert file"
    raise AttentionError(
        f"No region expert in style_experts or loras has the name of the style {quoted(style)}: {found}. Name one of "
        "these styles, add the missing file, or set region_expert to none or to a file."
    )


def state_of_expert(name: str) -> str:
    """A text that changes with the expert's file. For an unreadable file, the error message."""
    try:
        return f"{name} {file_state(expert_path(name))}"
    except (ValueError, OSError) as error:
        return str(error)


def _open(name: str) -> StyleExpert:
    expert = StyleExpert.open(expert_path(name))
    if not expert.config.is_lora:
        raise StyleExpertError(
            f"{expert.path.name} has routed style experts, but a region expert is a plain LoRA of one style. "
            "Choose a plain LoRA, or use this file with MoE Apply."
        )
    return expert


def _stem(name: str) -> str:
    return os.path.splitext(re.split(r"[/\\]", name)[-1])[0]
