"""Reads attention maps out of ComfyUI's Flux while any sampler runs: all that touches the model's attention is here.

A wrapper around the sampler learns which conditioning has which spans, one around the transformer which rows of the
batch belong to it, and an attention override sees q and k of every block. Nothing is installed in the model itself.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy.ldm.modules.attention import get_attn_precision
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...attention import AttentionError, Columns, attend_at_once, span_attention
from ..comfy_server import executing_node
from ..execution_order import signature_of
from ..model_patching import require_flux
from .choices import Block
from .recorded_maps import RecordedMaps
from .region_spans import RegionSpan, spans_in, told_apart

OVERRIDE = "optimized_attention_override"
EXACT = ("attention_pytorch", "attention_xformers", "attention_flash")
"""ComfyUI's attention functions that torch's flash kernel may stand in for: it computes the same. Sage and others are
kept, as they round more coarsely, and the maps come from a call of their own."""
EXACT_UNLESS_UPCAST = ("attention_sub_quad", "attention_split", "attention_basic")
"""As EXACT, but where ComfyUI wants more precision of attention than its inputs have, these heed it."""


def block_counts(model: ModelPatcher) -> dict[str, int]:
    """How many double and single blocks `model` has.

    Raises:
        StyleExpertError: it is not Flux.
    """
    flux = require_flux(model)
    return {"double": len(flux.double_blocks), "single": len(flux.single_blocks)}


def capturing(
    model: ModelPatcher, maps: RecordedMaps, blocks: frozenset[Block], steps: frozenset[int] | None
) -> ModelPatcher:
    """A clone of `model` that fills `maps` anew whenever a sampler runs with it.

    Args:
        model: a Flux.
        maps: where the maps go.
        blocks: those that are captured.
        steps: those that are captured, from 0; None: all.
    """
    clone, capture = model.clone(), Capture(maps, blocks, steps)
    clone.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "styleroute", capture.around_sampler)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "styleroute", capture.around_transformer)
    return clone


@dataclass(frozen=True)
class Run:
    """One run of a sampler: where it stands, and which conditioning knows which spans.

    Attributes:
        spans: by the conditionings' own ids, `uuid`; the negative's are not among them.
        sigmas: of the steps; rising where a picture is turned into noise.
    """

    spans: Mapping[Any, tuple[RegionSpan, ...]]
    sigmas: tuple[float, ...]

    def step_at(self, sigma: float) -> int:
        """The step that a noise level belongs to; samplers that look between two steps are still in the first."""
        sign = 1 if self.sigmas[0] >= self.sigmas[-1] else -1
        reached = sum(sign * (sigma - start) <= 1e-4 * start for start in self.sigmas[:-1])
        return max(reached - 1, 0)


class Capture:
    """The wrappers of one captured model. What they know of a run travels in its own `transformer_options`."""

    def __init__(self, maps: RecordedMaps, blocks: frozenset[Block], steps: frozenset[int] | None) -> None:
        self._maps, self._blocks, self._steps = maps, blocks, steps
        self._key = f"styleroute_run_{id(self)}"  # two captures in a row do not see each other's
        self._lock = threading.Lock()  # several graphics cards run in several threads

    def around_sampler(self, executor, guider, sigmas: Tensor, extra_args: dict, callback, noise: Tensor, *rest):
        """Stands around `Sampler.sample`, which has conditionings ready for the model."""
        self._maps.clear()
        run = Run(_spans_by_id(guider.conds), tuple(sigmas.tolist()))
        _require_steps(self._steps, len(run.sigmas) - 1)
        self._maps.size, self._maps.source = tuple(noise.shape[-2:]), _source()
        try:
            return executor(guider, sigmas, _with_option(extra_args, self._key, run), callback, noise, *rest)
        except BaseException:
            self._maps.clear()  # half of a run's maps are not that run's
            raise

    def around_transformer(
        self, executor, x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs
    ):
        """Stands around `Flux.forward`; x [rows, C, H, W], context [rows, text tokens, D]."""
        call = self._call(x, context, transformer_options)
        if call is not None:
            transformer_options = {**transformer_options, OVERRIDE: call.attend}
        output = executor(x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs)
        if call is not None:
            with self._lock:
                call.hand_over(self._maps)
        return output

    def _call(self, x: Tensor, context: Tensor, options: Mapping[str, Any]) -> "Call | None":
        """What is to be captured of this call of the transformer; None: nothing."""
        run: Run | None = options.get(self._key)
        if run is None:
            return None
        step = run.step_at(options["sigmas"][0].item())
        rows = [run.spans.get(uuid, ()) for uuid in options["uuids"]]
        if not any(rows) or not (self._steps is None or step in self._steps):
            return None
        _require_whole(x, len(rows), self._maps.size)
        _require_tokens(rows, context.shape[1])
        pictures = len(x) // len(rows)
        rows = [spans for spans in rows for _ in range(pictures)]
        return Call(step, rows, pictures, context.shape[1], _cells(x), self._blocks, options.get(OVERRIDE))


def _source() -> str | None:
    """Signature of the sampler's node that runs now."""
    found = executing_node()
    return None if found is None else signature_of(*found)


@dataclass
class Call:
    """One call of the transformer.

    Attributes:
        step: number of the sampler's step, from 0.
        rows: the spans of each row of the batch: none where it is not captured.
        pictures: rows of one conditioning.
        text: how many text tokens stand before the picture's.
        cells: (h, w) of the picture's tokens; references come behind them.
        blocks: those that are captured.
        previous: another node's attention override, which is kept.
        taken: maps [rows, S, h * w] of the blocks so far.
        columns: of the spans, made once for all blocks: a graphics card is waited for whenever it is sent something.
    """

    step: int
    rows: list[tuple[RegionSpan, ...]]
    pictures: int
    text: int
    cells: tuple[int, int]
    blocks: frozenset[Block]
    previous: Callable | None
    taken: list[tuple[Block, Tensor]] = field(default_factory=list)
    columns: Columns | None = None

    def attend(self, func: Callable, q: Tensor, k: Tensor, v: Tensor, heads: int, *args, **kwargs) -> Tensor:
        """The override: attention as `func` (or the previous override) gives it, and maps; q, k, v [B, H, N, D]."""
        options = kwargs.get("transformer_options") or {}
        block = options.get("block_type"), options.get("block_index")
        if block not in self.blocks or not self._is_joint(q, k, kwargs) or args:
            return self._onward(func, q, k, v, heads, *args, **kwargs)
        rows = slice(self.text, self.text + self.cells[0] * self.cells[1])
        asked = {"mask": _mask_with_heads(kwargs.get("mask")), "scale": kwargs.get("scale")}
        asked |= {"spans": self._columns_on(q.device), "rows": rows}
        if self.previous is None and _is_exact(func, q, kwargs) and (both := attend_at_once(q, k, v, **asked)):
            output, maps = both
            output = output if kwargs.get("skip_output_reshape") else output.transpose(1, 2).flatten(2)
        else:
            maps = span_attention(q, k, **asked)
            output = self._onward(func, q, k, v, heads, **kwargs)
        self.taken.append((block, maps))
        return output

    def hand_over(self, maps: RecordedMaps) -> None:
        """Brings all maps to the CPU at once, so that the graphics card is waited for once a step."""
        if not self.taken:
            return
        values = torch.stack([block_maps for _, block_maps in self.taken]).cpu()  # [L, rows, S, h * w]
        values = values.unflatten(-1, self.cells)
        for (block, _), of_block in zip(self.taken, values, strict=True):
            for row, spans in enumerate(self.rows):
                for place, span in enumerate(spans):
                    maps.add(row % self.pictures, span, self.step, " ".join(map(str, block)), of_block[row, place])

    def _columns_on(self, device: torch.device) -> Columns:
        if self.columns is None:
            spans = [[span.tokens for span in row] for row in self.rows]
            self.columns = Columns.of(spans, len(self.rows), self.text, device)
        return self.columns

    def _onward(self, func: Callable, *args, **kwargs) -> Tensor:
        return func(*args, **kwargs) if self.previous is None else self.previous(func, *args, **kwargs)

    def _is_joint(self, q: Tensor, k: Tensor, kwargs: Mapping[str, Any]) -> bool:
        """Whether this is the block's own attention over text and picture, not one that another pack adds."""
        heads_first = q.ndim == k.ndim == 4 and kwargs.get("skip_reshape", False)
        tokens = self.text + self.cells[0] * self.cells[1]
        return heads_first and len(q) == len(self.rows) and q.shape == k.shape and q.shape[2] >= tokens


def _is_exact(func: Callable, q: Tensor, kwargs: Mapping[str, Any]) -> bool:
    """Whether `func` computes what torch's flash kernel does, and as precisely."""
    name = getattr(func, "__name__", "")
    if name in EXACT_UNLESS_UPCAST:
        return get_attn_precision(kwargs.get("attn_precision"), q.dtype) in (None, q.dtype)
    return name in EXACT


def _spans_by_id(conds: Mapping[str, list[dict[str, Any]]]) -> dict[Any, tuple[RegionSpan, ...]]:
    """Spans of every conditioning but the negative, of a guider that is ready to sample.

    Raises:
        AttentionError: none has any, or one holds for a part of the picture only.
    """
    wanted = [cond for name, group in conds.items() if name != "negative" for cond in group if spans_in(cond)]
    if not wanted:
        raise AttentionError(
            "None of the sampler's conditionings knows a phrase to capture; encode the prompt with Region Style Prompt."
        )
    if any("area" in cond for cond in wanted):
        raise AttentionError(
            "A conditioning holds for a rectangle only (from Conditioning (Set Area), or from Conditioning (Set Mask) "
            "with set_cond_area at 'mask bounds'), so that its maps would not cover the picture; "
            "use Conditioning (Set Mask) with set_cond_area at 'default'."
        )
    apart = told_apart(spans_in(cond) for cond in wanted)
    return {cond["uuid"]: apart[spans_in(cond)] for cond in wanted}


def _require_steps(steps: frozenset[int] | None, count: int) -> None:
    if steps is not None and not any(step < count for step in steps):
        raise AttentionError(
            f"Only steps from {min(steps)} on are to be captured, but the sampler does {count}, counted from 0; "
            "choose earlier ones."
        )


def _require_whole(x: Tensor, conditionings: int, size: tuple[int, int]) -> None:
    """Another node may call the model for parts of the latents, whose rows would be taken for pictures of a batch."""
    if tuple(x.shape[-2:]) != size:
        height, width = x.shape[-2:]
        raise AttentionError(
            f"The model gets {width} x {height} of the latent's {size[1]} x {size[0]} at a time: the latent is sampled "
            "in tiles, whose maps cannot be put together; capture without the tiling node."
        )
    if not len(x) or len(x) % conditionings:
        raise AttentionError(
            f"The model gets {len(x)} latents for {conditionings} conditionings: another node parts the batch, so that "
            "its maps cannot be told apart; capture without that node."
        )


def _require_tokens(rows: list[tuple[RegionSpan, ...]], text: int) -> None:
    for span in (span for spans in rows for span in spans):
        if max(span.tokens) >= text:
            raise AttentionError(
                f'"{span.phrase}" stands at text token {max(span.tokens)}, but the model gets {text} only: another '
                "node has shortened the conditioning; connect Region Style Prompt without it."
            )


def _cells(x: Tensor) -> tuple[int, int]:
    """(h, w) of the tokens of latents [B, C, H, W]: patches of 2 x 2; the last may be padded."""
    return tuple(-(-side // 2) for side in x.shape[-2:])


def _with_option(extra_args: dict[str, Any], key: str, run: Run) -> dict[str, Any]:
    """A copy of a sampler's arguments whose model calls are given `run`."""
    options = extra_args["model_options"]
    transformer_options = {**options.get("transformer_options", {}), key: run}
    return {**extra_args, "model_options": {**options, "transformer_options": transformer_options}}


def _mask_with_heads(mask: Tensor | None) -> Tensor | None:
    """ComfyUI's masks [N, N] or [B, N, N] as [B, 1, N, N]."""
    if mask is None or mask.ndim == 4:
        return mask
    return mask[None, None] if mask.ndim == 2 else mask[:, None]
