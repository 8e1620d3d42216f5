"""Which file holds the region expert of a style: found by the words of the prompt."""

import os
import re
from collections.abc import Sequence

from ...attention import AttentionError
from ...attention.phrases import style_stem
from ...attention.selection import ALL
from ...moe import StyleExpert, StyleExpertError
from ..maps.region_spans import RegionSpan
from ..model_folders import expert_names, expert_path

AUTO, NO_EXPERT = "auto", "none"
MOST_NAMES = 12


def region_experts(choice: str, spans: Sequence[RegionSpan]) -> list[StyleExpert]:
    """The experts for a prompt, opened; one for each style that it names if `choice` is "auto".

    Args:
        choice: "auto", "none" or a file's name.
        spans: of the prompt.

    Raises:
        AttentionError: the prompt names no style, or one that no file is named after.
        StyleExpertError: a file is no region LoRA.
    """
    if choice == NO_EXPERT:
        return []
    names = [choice] if choice != AUTO else _files_by_style(spans)
    return [_open(name) for name in names]


def supervised_blocks(experts: Sequence[StyleExpert]) -> str:
    """The blocks whose attention the experts were trained to place, as `parse_blocks` reads them.

    Each expert's own together; all where one does not tell, as the published files do not, and without an expert.
    """
    told = [(expert.training or {}).get("blocks") for expert in experts]
    if not told or not all(isinstance(blocks, list) and blocks for blocks in told):
        return ALL
    return ", ".join(dict.fromkeys(str(block) for blocks in told for block in blocks))


def file_of_style(style: str, names: Sequence[str]) -> str:
    """The file that is named after a style: "pixel-art" finds pixel-art.safetensors, Pixel_Art.safetensors as well.

    Raises:
        AttentionError: there is none; the message says which there are.
    """
    for name in names:
        if style_stem(_stem(name)) == style_stem(style):
            return name
    stems = [f"'{stem}'" for stem in dict.fromkeys(_stem(name) for name in names)]
    more = f" and {len(stems) - MOST_NAMES} more" if len(stems) > MOST_NAMES else ""
    there = f"there are {', '.join(stems[:MOST_NAMES])}{more}" if stems else "there is no expert file at all"
    raise AttentionError(
        f"No region expert in style_experts or loras is named after the style '{style}': {there}; name a style that is "
        "there, put its file there, or set region_expert to none or to a file."
    )


def state_of_expert(name: str) -> str:
    """What changes when an expert's file does; of one that cannot be read, why."""
    try:
        return " ".join(map(str, (name, *file_state(expert_path(name)))))
    except (ValueError, OSError) as error:
        return str(error)


def file_state(path: str) -> tuple[str, int, int]:
    """The path, when the file was written (ns), and its size (bytes)."""
    state = os.stat(path)
    return path, state.st_mtime_ns, state.st_size


def _files_by_style(spans: Sequence[RegionSpan]) -> list[str]:
    styles = [span.phrase for span in spans if span.role == "style"]
    if not styles:
        raise AttentionError(
            "The prompt names no style to find a region expert by; name it in Region Style Prompt, choose a file by "
            "hand, or set region_expert to none."
        )
    return list(dict.fromkeys(file_of_style(style, expert_names()) for style in styles))


def _open(name: str) -> StyleExpert:
    expert = StyleExpert.open(expert_path(name))
    if not expert.config.is_lora:
        raise StyleExpertError(
            f"{expert.path.name} holds routed style experts, but a region expert is a plain LoRA of one style; "
            "choose such a file, or use it with MoE Apply."
        )
    return expert


def _stem(name: str) -> str:
    return os.path.splitext(re.split(r"[/\\]", name)[-1])[0]
