"""ATTENTION_MAPS: what a sampler has attended to, for each image of the batch and each phrase of its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ...attention import AttentionError, AttentionMaps, MapCollector
from .region_spans import RegionSpan

KEEP = ("steps and blocks", "steps", "blocks", "mean only")
"""What stays apart; the rest is averaged while it comes, and takes no memory."""


@dataclass
class PhraseMaps:
    """Maps of one phrase in one image: all that was asked to be kept, and the running mean of them all."""

    kept: MapCollector
    running: MapCollector


@dataclass
class RecordedMaps:
    """Filled while a sampler runs, forgotten when it starts again.

    Attributes:
        keep: one of KEEP.
        size: (height, width) of the latents of the last run.
        spans: the phrases that maps came of, by name.
        source: signature of the sampler's node, with all that led to it; None where it is not known.
        samplings: how often that node has sampled in the same execution of the workflow; the maps are the last one's.
    """

    keep: str = KEEP[0]
    size: tuple[int, int] = (0, 0)
    spans: dict[str, RegionSpan] = field(default_factory=dict)
    source: str | None = None
    samplings: int = 1
    _phrases: dict[tuple[int, str], PhraseMaps] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets the last run."""
        self.spans, self.source, self._phrases = {}, None, {}

    def add(self, image: int, span: RegionSpan, step: int, block: str, cells: Tensor) -> None:
        """Takes the map [h, w] that a block has of a phrase at a step."""
        self.spans.setdefault(span.name, span)
        phrase = self._phrases.get((image, span.name))
        if phrase is None:
            phrase = self._phrases[image, span.name] = self._new_phrase(span.name)
        phrase.kept.add(step, block, cells[None])
        phrase.running.add(step, block, cells[None])

    @property
    def images(self) -> int:
        """How many images the batch has."""
        return 1 + max((image for image, _ in self._phrases), default=-1)

    def read(self, image: int, name: str) -> AttentionMaps:
        """All that was kept of a phrase: [steps, blocks, 1, h, w].

        Raises:
            AttentionError: nothing was captured.
        """
        return self._phrase(image, name).kept.read()

    def mean(self, image: int, name: str) -> Tensor:
        """The mean [h, w] over all steps and blocks so far."""
        return self._phrase(image, name).running.read().values[0, 0, 0]

    def _new_phrase(self, name: str) -> PhraseMaps:
        kept = MapCollector([name], keep_steps="steps" in self.keep, keep_blocks="blocks" in self.keep)
        return PhraseMaps(kept, MapCollector([name], keep_steps=False, keep_blocks=False))

    def _phrase(self, image: int, name: str) -> PhraseMaps:
        if not self._phrases:
            raise nothing_captured()
        if (image, name) not in self._phrases:
            raise AttentionError(
                f'No map of "{name}" was captured for image {image + 1}; there are maps of {listed(self.spans)}.'
            )
        return self._phrases[image, name]


def nothing_captured() -> AttentionError:
    """The refusal of maps that no sampler has filled."""
    return AttentionError(
        "No attention map was captured: no sampler has run with this model yet, it captured no block, or ComfyUI has "
        "its result from an earlier run and forgot the maps; if all is connected, change the seed and run again."
    )


def listed(names: Sequence[str] | dict[str, RegionSpan]) -> str:
    """Names in quotation marks, for messages."""
    return ", ".join(f'"{name}"' for name in names) or "nothing"
