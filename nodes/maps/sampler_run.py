"""One run of a sampler: its steps, which conditioning has which spans, and what a capture refuses of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...attention import AttentionError
from .region_spans import RegionSpan, spans_in, told_apart


@dataclass
class Evaluation:
    """One guess of the clean image, by one call of the transformer or by several.

    Attributes:
        sigma: noise level of its last call. A guider that does not say when it begins anew is told by another level.
        seen: conditionings that it has had.
    """

    sigma: float | None = None
    seen: set[Any] = field(default_factory=set)

    def begin(self) -> None:
        """Forgets the last one."""
        self.seen.clear()

    def first_of(self, uuids: Sequence[Any], sigma: float) -> set[Any]:
        """Those conditionings of a call that the evaluation has not had before."""
        if sigma != self.sigma:
            self.begin()
        self.sigma, new = sigma, set(uuids) - self.seen
        self.seen |= new
        return new


@dataclass(frozen=True)
class SamplerRun:
    """One run of a sampler: where it stands, and which conditioning knows which spans.

    Attributes:
        spans: by the conditionings' own ids, `uuid`; the negative's are not among them.
        sigmas: of the steps; rising where an image is turned into noise.
        size: (height, width) of the latents.
        images: how many are sampled.
        evaluation: of the model, the present one.
    """

    spans: Mapping[Any, tuple[RegionSpan, ...]]
    sigmas: tuple[float, ...]
    size: tuple[int, int] = (0, 0)
    images: int = 1
    evaluation: Evaluation = field(default_factory=Evaluation)

    def step_at(self, sigma: float) -> int:
        """The step that a noise level belongs to; samplers that look between two steps are still in the first."""
        sign = 1 if self.sigmas[0] >= self.sigmas[-1] else -1
        reached = sum(sign * (sigma - start) <= 1e-4 * start for start in self.sigmas[:-1])
        return max(reached - 1, 0)

    def take(self, uuids: Sequence[Any], sigma: float) -> list[tuple[RegionSpan, ...]]:
        """The spans of each conditioning of a call of the transformer; none of those that come again in an evaluation.

        What comes again is a guidance's own pass with a part of the model left out, such as SkipLayerGuidanceDiT's.
        """
        new = self.evaluation.first_of(uuids, sigma)
        return [self.spans.get(uuid, ()) if uuid in new else () for uuid in uuids]

    def require_whole(self, x: Tensor, conditionings: int) -> None:
        """Another node may call the model for parts of the latents, whose rows would be taken for others.

        Raises:
            AttentionError: x [rows, C, H, W] is not all images, whole, for each of the conditionings.
        """
        if tuple(x.shape[-2:]) != self.size:
            height, width = x.shape[-2:]
            raise AttentionError(
                f"The model gets {width} x {height} of the latent's {self.size[1]} x {self.size[0]} at a time: the "
                "latent is sampled in tiles, whose maps cannot be put together; capture without the tiling node."
            )
        if len(x) != conditionings * self.images:
            raise AttentionError(
                f"The model gets {len(x)} latents at a time for {conditionings} conditionings of {self.images} "
                "images: another node parts the batch, so that its maps cannot be told apart; capture without that "
                "node."
            )


def spans_by_id(conds: Mapping[str, list[dict[str, Any]]]) -> dict[Any, tuple[RegionSpan, ...]]:
    """Spans of every conditioning but the negative, of a guider that is ready to sample.

    Raises:
        AttentionError: none has any, or one holds for a part of the image only.
    """
    wanted = [cond for name, group in conds.items() if name != "negative" for cond in group if spans_in(cond)]
    if not wanted:
        raise AttentionError(
            "None of the sampler's conditionings knows a phrase to capture; encode the prompt with Region Style Prompt."
        )
    require_no_rectangle(wanted)
    apart = told_apart(spans_in(cond) for cond in wanted)
    return {cond["uuid"]: apart[spans_in(cond)] for cond in wanted}


def require_no_rectangle(conditionings: Iterable[Mapping[str, Any]]) -> None:
    """Of conditionings with spans, as a graph or a guider has them.

    Raises:
        AttentionError: one holds for a part of the image only.
    """
    if any("area" in cond or cond.get("set_area_to_bounds") for cond in conditionings if spans_in(cond)):
        raise AttentionError(
            "A conditioning holds for a rectangle only (from Conditioning (Set Area), or from Conditioning (Set Mask) "
            "with set_cond_area at 'mask bounds'), so that its maps would not cover the image; "
            "use Conditioning (Set Mask) with set_cond_area at 'default'."
        )


def require_steps(steps: frozenset[int] | None, count: int) -> None:
    """That some of the chosen steps, all if None, are among those of a sampler.

    Raises:
        AttentionError: none is.
    """
    if steps is not None and not any(step < count for step in steps):
        raise AttentionError(
            f"Only steps from {min(steps)} on are to be captured, but the sampler does {count}, counted from 0; "
            "choose earlier ones."
        )


def require_tokens(rows: Iterable[tuple[RegionSpan, ...]], text: int) -> None:
    """That all spans stand among the text tokens that the model gets.

    Raises:
        AttentionError: one does not.
    """
    for span in (span for spans in rows for span in spans):
        if max(span.tokens) >= text:
            raise AttentionError(
                f'"{span.phrase}" stands at text token {max(span.tokens)}, but the model gets {text} only: another '
                "node has shortened the conditioning; connect Region Style Prompt without it."
            )
