"""Captures attention maps from ComfyUI's Flux while any sampler runs.

A wrapper around the sampler reads the spans of each conditioning. A wrapper around the transformer finds the batch rows
of each conditioning, and sets an attention override. The override reads q and k of every block. The model itself is
unchanged.
"""

import threading
from collections.abc import Collection, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...attention.selection import Block
from ..comfy_server import ExecutingNode, executing_node
from ..execution_order import signature_of
from ..model_family import require_flux
from .attention_override import AttentionOverride
from .recorded_maps import RecordedMaps
from .sampler_run import SamplerRun, require_steps, require_tokens, spans_by_id

OVERRIDE = "optimized_attention_override"
"""Key of an attention override in ComfyUI's `transformer_options`."""


def block_counts(model: ModelPatcher) -> dict[str, int]:
    """Number of double and single blocks of `model`.

    Raises:
        StyleExpertError: the model is not FLUX.1.
    """
    flux = require_flux(model)
    return {"double": len(flux.double_blocks), "single": len(flux.single_blocks)}


def with_capture(
    model: ModelPatcher, maps: RecordedMaps, blocks: Collection[Block], steps: frozenset[int] | None
) -> ModelPatcher:
    """A clone of `model` that fills `maps` each time a sampler runs with the clone.

    Args:
        model: a Flux.
        maps: receives the maps; each run clears it first.
        blocks: the blocks to capture.
        steps: the steps to capture, from 0; None means all.
    """
    clone, capture = model.clone(), Capture(maps, blocks, steps)
    clone.add_wrapper_with_key(WrappersMP.SAMPLER_SAMPLE, "styleroute", capture.around_sampler)
    clone.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "styleroute", capture.around_evaluation)
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "styleroute", capture.around_transformer)
    return clone


class Capture:
    """The wrappers of one captured model. The state of a run travels in the run's own `transformer_options`."""

    def __init__(self, maps: RecordedMaps, blocks: Collection[Block], steps: frozenset[int] | None) -> None:
        self._maps, self._blocks, self._steps = maps, blocks, steps
        self._key = f"styleroute_run_{id(self)}"  # unique: a second capture on the same model must not read this run
        self._lock = threading.Lock()  # ComfyUI runs several graphics cards in several threads
        self._last_node: ExecutingNode | None = None

    def around_sampler(self, executor, guider, sigmas: Tensor, extra_args: dict, callback, noise: Tensor, *rest):
        """Wraps `Sampler.sample`, where the conditionings are ready for the model."""
        self._maps.clear()
        size = noise.shape[-2], noise.shape[-1]
        run = SamplerRun(spans_by_id(guider.conds), tuple(sigmas.tolist()), size, len(noise))
        require_steps(self._steps, len(run.sigmas) - 1)
        self._record_source()
        self._maps.size = run.size
        try:
            return executor(guider, sigmas, _with_option(extra_args, self._key, run), callback, noise, *rest)
        except BaseException:
            self._maps.clear()  # an unfinished run has maps of some steps only
            raise

    def around_evaluation(self, executor, x: Tensor, timestep: Tensor, model_options: dict, *rest, **named):
        """Wraps `CFGGuider.predict_noise`, which is one evaluation."""
        run: SamplerRun | None = model_options.get("transformer_options", {}).get(self._key)
        if run is not None:
            run.evaluation.begin()
        return executor(x, timestep, model_options, *rest, **named)

    def around_transformer(
        self, executor, x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs
    ):
        """Wraps `Flux.forward`; x [rows, C, H, W], context [rows, text tokens, D]."""
        override = self._override(x, context, transformer_options)
        if override is not None:
            transformer_options = {**transformer_options, OVERRIDE: override.attend}
        output = executor(x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs)
        if override is not None:
            with self._lock:
                override.store_maps(self._maps)
        return output

    def _override(self, x: Tensor, context: Tensor, options: Mapping[str, Any]) -> AttentionOverride | None:
        """The override for this call of the transformer; None if the run does not capture this call."""
        run: SamplerRun | None = options.get(self._key)
        if run is None:
            return None
        sigma = options["sigmas"][0].item()
        step = run.step_at(sigma)
        with self._lock:
            spans = run.new_spans(options["uuids"], sigma)
        if not any(spans) or not (self._steps is None or step in self._steps):
            return None
        run.require_whole_images(x, len(spans))
        require_tokens(spans, context.shape[1])
        rows = [of_conditioning for of_conditioning in spans for _ in range(run.images)]
        return AttentionOverride(
            step, rows, run.images, context.shape[1], _cells(x), self._blocks, options.get(OVERRIDE)
        )

    def _record_source(self) -> None:
        """Records which node samples, and how often it has sampled in this execution of the workflow."""
        node = executing_node()
        if node is not None:
            is_repeated = self._last_node is not None and node.is_same_execution(self._last_node)
            self._maps.source = signature_of(node.graph, node.node_id)
            self._maps.samplings = self._maps.samplings + 1 if is_repeated else 1
        self._last_node = node


def _cells(x: Tensor) -> tuple[int, int]:
    """(h, w) of the image tokens of latents [B, C, H, W]: patches of 2 x 2, the last one padded if the size is odd."""
    return -(-x.shape[-2] // 2), -(-x.shape[-1] // 2)


def _with_option(extra_args: dict[str, Any], key: str, run: SamplerRun) -> dict[str, Any]:
    """A copy of a sampler's arguments with `run` in the `transformer_options` of every model call."""
    options = extra_args["model_options"]
    transformer_options = {**options.get("transformer_options", {}), key: run}
    return {**extra_args, "model_options": {**options, "transformer_options": transformer_options}}
