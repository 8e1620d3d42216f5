"""One run of a sampler: its steps, the spans of its conditionings, and the runs that cannot be captured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...attention import AttentionError
from ...plain_text import quoted
from .region_spans import RegionSpan, number_mentions, spans_in, text_changes

NO_CALL = (
    "No attention map was captured: the sampler never called the model, so the image is only noise. The sampler "
    "dpm_adaptive does this at 1 step: set at least 2 steps, or choose another sampler."
)
NO_CAPTURED_CALL = (
    "No attention map was captured: no prompt with phrases was used at a captured step. Capture all steps, or check "
    "the step ranges of the prompts."
)
BLOCKS_REPLACED = (
    "No attention map was captured: another node replaced the model's blocks, as TeaCache, WaveSpeed and NAG do. "
    "Remove that node and run again."
)


@dataclass
class Evaluation:
    """One prediction of the clean image, made by one or several calls of the transformer.

    Attributes:
        sigma: noise level of the last call. If the guider does not announce a new evaluation, a changed sigma does.
        seen: ids of the conditionings that were evaluated so far.
    """

    sigma: float | None = None
    seen: set[Any] = field(default_factory=set)

    def begin(self) -> None:
        """Starts a new evaluation."""
        self.seen.clear()

    def first_seen(self, uuids: Sequence[Any], sigma: float) -> set[Any]:
        """The conditionings of a call that this evaluation has not seen before. Marks them as seen."""
        if sigma != self.sigma:
            self.begin()
        self.sigma, new = sigma, set(uuids) - self.seen
        self.seen |= new
        return new


@dataclass
class CallCounts:
    """Calls of one run.

    Attributes:
        calls: calls of the model.
        captured_calls: calls at a captured step, for a conditioning with phrases.
        blocks: blocks that gave maps, over all captured calls.
    """

    calls: int = 0
    captured_calls: int = 0
    blocks: int = 0

    def missing_maps(self) -> str | None:
        """Why the run has no map, and what to do; None if it has maps."""
        if self.blocks:
            return None
        if not self.calls:
            return NO_CALL
        return BLOCKS_REPLACED if self.captured_calls else NO_CAPTURED_CALL


@dataclass(frozen=True)
class SamplerRun:
    """One run of a sampler, and the spans of its conditionings.

    Attributes:
        spans: spans by the id of the conditioning, `uuid`; without the negative conditionings.
        sigmas: noise levels of the steps; they rise if an image is turned into noise.
        size: (height, width) of the latents.
        images: number of images in the batch.
        evaluation: the current evaluation of the model.
        counts: the calls so far.
    """

    spans: Mapping[Any, tuple[RegionSpan, ...]]
    sigmas: tuple[float, ...]
    size: tuple[int, int] = (0, 0)
    images: int = 1
    evaluation: Evaluation = field(default_factory=Evaluation)
    counts: CallCounts = field(default_factory=CallCounts)

    def step_at(self, sigma: float) -> int:
        """The step of a noise level. A noise level between two steps belongs to the first of them."""
        sign = 1 if self.sigmas[0] >= self.sigmas[-1] else -1
        reached = sum(sign * (sigma - start) <= 1e-4 * start for start in self.sigmas[:-1])
        return max(reached - 1, 0)

    def new_spans(self, uuids: Sequence[Any], sigma: float) -> list[tuple[RegionSpan, ...]]:
        """The spans of each conditioning of a transformer call; empty if the evaluation has seen it before.

        A guidance such as SkipLayerGuidanceDiT evaluates a conditioning a second time, without some of the blocks.
        """
        new = self.evaluation.first_seen(uuids, sigma)
        return [self.spans.get(uuid, ()) if uuid in new else () for uuid in uuids]

    def require_whole_images(self, x: Tensor, conditionings: int) -> None:
        """Refuses calls for tiles or for parts of the batch: their rows would be assigned to wrong images.

        Raises:
            AttentionError: x [rows, C, H, W] does not hold all whole images for each conditioning.
        """
        if tuple(x.shape[-2:]) != self.size:
            height, width = x.shape[-2:]
            raise AttentionError(
                f"The model gets {width} x {height} latents at a time, but the whole latent has {self.size[1]} x "
                f"{self.size[0]}, so another node samples it in tiles. Sample without the tiling node."
            )
        if len(x) != conditionings * self.images:
            raise AttentionError(
                f"The model gets {len(x)} latents at a time for {conditionings} conditionings of {self.images} images, "
                "so another node splits the batch. Sample without that node."
            )


def spans_by_id(conds: Mapping[str, list[dict[str, Any]]]) -> dict[Any, tuple[RegionSpan, ...]]:
    """Spans of every conditioning of a guider, by id; without the negative conditionings.

    Raises:
        AttentionError: no conditioning has spans, or one holds for a rectangle only.
    """
    wanted = _with_spans(conds)
    if not wanted:
        raise AttentionError(
            "No conditioning of the sampler has phrases to capture. Encode the prompt with Region Style Prompt."
        )
    require_no_rectangle(wanted)
    numbered = number_mentions(spans_in(cond) for cond in wanted)
    return {cond["uuid"]: numbered[spans_in(cond)] for cond in wanted}


def changed_texts(conds: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    """Sentences about conditionings of a guider whose spans may no longer fit their text."""
    return text_changes((cond["cross_attn"], cond) for cond in _with_spans(conds) if "cross_attn" in cond)


def _with_spans(conds: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The conditionings of a guider that have spans; without the negative ones."""
    return [cond for name, group in conds.items() if name != "negative" for cond in group if spans_in(cond)]


def require_no_rectangle(conditionings: Iterable[Mapping[str, Any]]) -> None:
    """Refuses conditionings that hold for a rectangle only. Accepts a graph's or a guider's options.

    Raises:
        AttentionError: a conditioning holds for a rectangle only.
    """
    if any("area" in cond or cond.get("set_area_to_bounds") for cond in conditionings):
        raise AttentionError(
            "A conditioning holds for a rectangle only, from Conditioning (Set Area) or from Conditioning (Set Mask) "
            "with 'mask bounds', so maps and masks of the whole image do not fit it. Use Conditioning (Set Mask) with "
            "set_cond_area at 'default'."
        )


def require_steps(steps: frozenset[int] | None, count: int) -> None:
    """Requires that a sampler of `count` steps reaches one of the chosen steps; None means all steps.

    Raises:
        AttentionError: the sampler reaches none of the chosen steps.
    """
    if steps is not None and not any(step < count for step in steps):
        raise AttentionError(
            f"The capture starts at step {min(steps)}, but the sampler has {count} steps, counted from 0. Choose "
            "earlier steps in 'capture_steps'."
        )


def require_tokens(spans: Iterable[tuple[RegionSpan, ...]], text: int) -> None:
    """Requires that all spans lie within the `text` text tokens that the model gets.

    Raises:
        AttentionError: a span is behind the last text token.
    """
    for span in (span for of_conditioning in spans for span in of_conditioning):
        if max(span.tokens) >= text:
            raise AttentionError(
                f"{quoted(span.phrase)} is at text token {max(span.tokens)}, but the model gets {text} text tokens "
                "only. Another node has shortened the conditioning: connect Region Style Prompt without that node."
            )
