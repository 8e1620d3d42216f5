"""ATTENTION_MAPS: the attention maps of one sampler run, for each image of the batch and each phrase of the prompt."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import Tensor

from ...attention import AttentionError, AttentionMaps, MapCollector
from ...plain_text import quoted
from .region_spans import RegionSpan

KEEP = ("steps and blocks", "steps", "blocks", "mean only")
"""Options for the maps that are kept separately. All others are averaged as they arrive and take no memory."""


@dataclass
class PhraseMaps:
    """Maps of one phrase in one image.

    Attributes:
        kept: the maps that were chosen to be kept.
        running: the running mean of all maps.
    """

    kept: MapCollector
    running: MapCollector


@dataclass
class RecordedMaps:
    """The maps of a sampler's last run. A sampler fills them while it runs, and clears them when it starts again.

    Attributes:
        keep: one of KEEP.
        size: (height, width) of the latents of the last run.
        spans: the captured phrases, by name.
        source: signature of the sampler's node and everything upstream; None if it is unknown.
        samplings: how often that node has sampled in this execution of the workflow. The maps are from the last time.
        not_finite: the first step and block with NaN or infinity in a map; None if all maps are finite.
        missing: why the last run has no map; None if it has maps, or if no sampler ran.
    """

    keep: str = KEEP[0]
    size: tuple[int, int] = (0, 0)
    spans: dict[str, RegionSpan] = field(default_factory=dict)
    source: str | None = None
    samplings: int = 1
    not_finite: str | None = None
    missing: str | None = None
    _phrases: dict[tuple[int, str], PhraseMaps] = field(default_factory=dict)

    def clear(self) -> None:
        """Removes the maps of the last run."""
        self.spans, self.source, self._phrases = {}, None, {}
        self.not_finite = self.missing = None

    def add(self, image: int, span: RegionSpan, step: int, block: str, cells: Tensor) -> None:
        """Adds the map [h, w] of a phrase at one step and block."""
        self.spans.setdefault(span.name, span)
        if self.not_finite is None and not cells.isfinite().all():
            self.not_finite = f"step {step}, {block}"
        phrase = self._phrases.get((image, span.name))
        if phrase is None:
            phrase = self._phrases[image, span.name] = self._new_phrase(span.name)
        phrase.kept.add(step, block, cells[None])
        phrase.running.add(step, block, cells[None])

    @property
    def images(self) -> int:
        """Number of images in the batch."""
        return 1 + max((image for image, _ in self._phrases), default=-1)

    def require_finite(self) -> None:
        """Checks that the maps show attention.

        Raises:
            AttentionError: a map has NaN or infinity.
        """
        if self.not_finite is not None:
            raise AttentionError(
                f"The attention has values that are not finite (NaN), first at {self.not_finite}. Choose another "
                "weight_dtype in Load Diffusion Model, or remove the LoRA or style that causes it."
            )

    def read(self, image: int, name: str) -> AttentionMaps:
        """The kept maps of a phrase: [steps, blocks, 1, h, w].

        Raises:
            AttentionError: no map of the phrase was captured, or a map is not finite.
        """
        return self._phrase(image, name).kept.read()

    def mean(self, image: int, name: str) -> Tensor:
        """The mean map [h, w] of a phrase over all steps and blocks so far.

        Raises:
            AttentionError: no map of the phrase was captured, or a map is not finite.
        """
        return self._phrase(image, name).running.read().values[0, 0, 0]

    def _new_phrase(self, name: str) -> PhraseMaps:
        kept = MapCollector([name], keep_steps="steps" in self.keep, keep_blocks="blocks" in self.keep)
        return PhraseMaps(kept, MapCollector([name], keep_steps=False, keep_blocks=False))

    def _phrase(self, image: int, name: str) -> PhraseMaps:
        self.require_finite()
        if not self._phrases:
            raise no_maps_error(self)
        if (image, name) not in self._phrases:
            raise AttentionError(
                f"No map of {quoted(name)} was captured for image {image + 1}. "
                f"The captured phrases are {all_quoted(self.spans)}."
            )
        return self._phrases[image, name]


def no_maps_error(maps: RecordedMaps) -> AttentionError:
    """The error for maps that no sampler has filled."""
    return AttentionError(
        maps.missing
        or "No attention map was captured: no sampler ran with this model, no block was captured, or ComfyUI took the "
        "sampler's result from its cache. Check the links, then change the seed and run again."
    )


def all_quoted(names: Iterable[str]) -> str:
    """A list of names in quotation marks, for error messages."""
    return ", ".join(quoted(name) for name in names) or "none"
