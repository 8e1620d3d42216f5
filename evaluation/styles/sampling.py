"""How the images of a method are sampled."""

from dataclasses import dataclass

NEUTRAL = 1.0
"""The value of a dial of Style Guider without effect."""


@dataclass(frozen=True)
class Sampling:
    """Settings of the sampler.

    Attributes:
        steps: sampling steps.
        content: the content dial of Style Guider; 1 is without guidance.
    """

    steps: int = 20
    content: float = NEUTRAL


PLAIN = Sampling()
"""20 steps without guidance."""
