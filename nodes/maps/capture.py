"""Reads attention maps out of ComfyUI's Flux while any sampler runs.

A wrapper around the sampler learns which conditioning has which spans, one around the transformer which rows of the
batch belong to it, and an attention override sees q and k of every block. Nothing is installed in the model itself.
"""

import threading
from collections.abc import Collection, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...attention.selection import Block
from ..comfy_server import Executing, executing_node
from ..execution_order import signature_of
from ..model_patching import require_flux
from .attention_override import AttentionOverride
from .recorded_maps import RecordedMaps
from .sampler_run import SamplerRun, require_steps, require_tokens, spans_by_id

OVERRIDE = "optimized_attention_override"
"""ComfyUI's name for what stands in for a block's attention, in `transformer_options`."""


def block_counts(model: ModelPatcher) -> dict[str, int]:
    """How many double and single blocks `model` has.

    Raises:
        StyleExpertError: it is not Flux.
    """
    flux = require_flux(model)
    return {"double": len(flux.double_blocks), "single": len(flux.single_blocks)}


def with_capture(
    model: ModelPatcher, maps: RecordedMaps, blocks: Collection[Block], steps: frozenset[int] | None
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
    clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "styleroute", capture.around_evaluation)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "styleroute", capture.around_transformer)
    return clone


class Capture:
    """The wrappers of one captured model. What they know of a run travels in its own `transformer_options`."""

    def __init__(self, maps: RecordedMaps, blocks: Collection[Block], steps: frozenset[int] | None) -> None:
        self._maps, self._blocks, self._steps = maps, blocks, steps
        self._key = f"styleroute_run_{id(self)}"  # two captures in a row do not see each other's
        self._lock = threading.Lock()  # several graphics cards run in several threads
        self._runner: Executing | None = None

    def around_sampler(self, executor, guider, sigmas: Tensor, extra_args: dict, callback, noise: Tensor, *rest):
        """Stands around `Sampler.sample`, which has conditionings ready for the model."""
        self._maps.clear()
        run = SamplerRun(spans_by_id(guider.conds), tuple(sigmas.tolist()), tuple(noise.shape[-2:]), len(noise))
        require_steps(self._steps, len(run.sigmas) - 1)
        self._note_source()
        self._maps.size = run.size
        try:
            return executor(guider, sigmas, _with_option(extra_args, self._key, run), callback, noise, *rest)
        except BaseException:
            self._maps.clear()  # half of a run's maps are not that run's
            raise

    def around_evaluation(self, executor, x: Tensor, timestep: Tensor, model_options: dict, *rest, **named):
        """Stands around `CFGGuider.predict_noise`, which is one evaluation."""
        run: SamplerRun | None = model_options.get("transformer_options", {}).get(self._key)
        if run is not None:
            run.evaluation.begin()
        return executor(x, timestep, model_options, *rest, **named)

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

    def _call(self, x: Tensor, context: Tensor, options: Mapping[str, Any]) -> AttentionOverride | None:
        """What is to be captured of this call of the transformer; None: nothing."""
        run: SamplerRun | None = options.get(self._key)
        if run is None:
            return None
        sigma = options["sigmas"][0].item()
        step = run.step_at(sigma)
        with self._lock:
            rows = run.take(options["uuids"], sigma)
        if not any(rows) or not (self._steps is None or step in self._steps):
            return None
        run.require_whole(x, len(rows))
        require_tokens(rows, context.shape[1])
        rows = [spans for spans in rows for _ in range(run.images)]
        return AttentionOverride(
            step, rows, run.images, context.shape[1], _cells(x), self._blocks, options.get(OVERRIDE)
        )

    def _note_source(self) -> None:
        """Which node samples, and whether it has done so before in the same execution of a workflow."""
        now = executing_node()
        if now is not None:
            before = self._runner is not None and now.same_node(self._runner)
            self._maps.source = signature_of(now.graph, now.node_id)
            self._maps.samplings = self._maps.samplings + 1 if before else 1
        self._runner = now


def _cells(x: Tensor) -> tuple[int, int]:
    """(h, w) of the tokens of latents [B, C, H, W]: patches of 2 x 2; the last may be padded."""
    return tuple(-(-side // 2) for side in x.shape[-2:])


def _with_option(extra_args: dict[str, Any], key: str, run: SamplerRun) -> dict[str, Any]:
    """A copy of a sampler's arguments whose model calls are given `run`."""
    options = extra_args["model_options"]
    transformer_options = {**options.get("transformer_options", {}), key: run}
    return {**extra_args, "model_options": {**options, "transformer_options": transformer_options}}
