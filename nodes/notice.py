"""Warnings for the text below a node and for the log. Needs no ComfyUI."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """A warning: one line for the text below a node, which is about 45 characters wide, and a sentence for the log."""

    line: str
    sentence: str
