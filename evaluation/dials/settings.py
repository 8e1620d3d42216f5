"""The compared settings: plain sampling, a negative prompt for KSampler, and the two dials of Style Guider."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Form = Literal["no guidance", "KSampler, negative prompt", "Style Guider"]

PLAIN_STEPS = 20
"""Steps of plain sampling in the workflows before Style Guider."""
CONTENTS, STYLES = (1.0, 2.0, 3.0), (1.0, 1.5)
"""Values of both dials."""
STRENGTHS = (0.7,)
"""Strengths of MoE Apply with a negative prompt."""
NEGATIVE_CFG = 2.0
"""The cfg with a negative prompt."""


@dataclass(frozen=True)
class DialSetting:
    """One way to sample.

    Attributes:
        form: without guidance, with a negative prompt in KSampler, or with Style Guider.
        steps: sampling steps.
        content: the content dial; with a negative prompt, the cfg.
        style: the style dial.
        strength: strength of MoE Apply.
    """

    form: Form
    steps: int
    content: float = 1.0
    style: float = 1.0
    strength: float = 1.0

    @property
    def name(self) -> str:
        """The name in tables and plots."""
        if self.form == "no guidance":
            return f"{self.form}, {self.steps} steps"
        if self.form == "Style Guider":
            return f"content {self.content:g}, style {self.style:g}"
        return f"negative prompt, cfg {self.content:g}, strength {self.strength:g}"

    @property
    def evaluations(self) -> int:
        """Evaluations of the model for one image. Each dial that is not 1 needs one more in every step."""
        return self.steps * (1 + (self.content != 1) + (self.style != 1))


def dial_settings(steps: int) -> list[DialSetting]:
    """All compared settings, in the order of the table."""
    return [*_plain(steps), *_negative(steps), *_dials(steps)]


def _plain(steps: int) -> Iterator[DialSetting]:
    for number in dict.fromkeys((PLAIN_STEPS, steps)):
        yield DialSetting("no guidance", number)


def _negative(steps: int) -> Iterator[DialSetting]:
    for strength in STRENGTHS:
        yield DialSetting("KSampler, negative prompt", steps, NEGATIVE_CFG, strength=strength)


def _dials(steps: int) -> Iterator[DialSetting]:
    """All pairs of dials but the neutral one, which equals no guidance."""
    for style in STYLES:
        for content in CONTENTS:
            if (content, style) != (1, 1):
                yield DialSetting("Style Guider", steps, content, style)
