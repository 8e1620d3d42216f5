"""Captures attention maps from ComfyUI's Flux while any sampler runs.

A wrapper around the sampler reads the spans of each conditioning. A change of each model call finds the batch rows of
each conditioning, and sets an attention override. The override reads q and k of every block. The model itself is
unchanged.
"""

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...attention.selection import Block
from ..comfy_server import ExecutingNode, NodeText, executing_node
from ..compilation import is_compiled
from ..execution_order import signature_of
from ..model_family import require_flux
from ..model_wrappers import ModelCall, wrap_calls, wrap_evaluation, wrap_sampler
from .attention_override import AttentionOverride
from .recorded_maps import RecordedMaps
from .sampler_run import SamplerRun, changed_texts, require_steps, require_tokens, spans_by_id

OVERRIDE = "optimized_attention_override"
"""Key of an attention override in ComfyUI's `transformer_options`."""
KEY = "capture"
"""Key of our wrappers on a captured model."""
NOT_COMPILED = "Steps with attention maps run without torch.compile. To compile more steps, capture fewer steps."


def block_counts(model: ModelPatcher) -> dict[str, int]:
    """Number of double and single blocks of `model`.

    Raises:
        StyleExpertError: the model is not FLUX.1.
    """
    flux = require_flux(model)
    return {"double": len(flux.double_blocks), "single": len(flux.single_blocks)}


def with_capture(
    model: ModelPatcher,
    maps: RecordedMaps,
    blocks: Collection[Block],
    steps: frozenset[int] | None,
    text: NodeText | None = None,
) -> ModelPatcher:
    """A clone of `model` that fills `maps` each time a sampler runs with the clone.

    Args:
        model: a Flux.
        maps: receives the maps; each run clears it first.
        blocks: the blocks to capture.
        steps: the steps to capture, from 0; None means all.
        text: shows below the node why a run is slower, or why it has no map; None shows nothing.
    """
    clone, capture = model.clone(), Capture(maps, blocks, steps, text or NodeText(None))
    wrap_sampler(clone, KEY, capture.around_sampler)
    wrap_evaluation(clone, KEY, capture.around_evaluation)
    wrap_calls(clone, KEY, capture.change_call)
    return clone


class Capture:
    """The wrappers of one captured model, and the current run."""

    def __init__(
        self, maps: RecordedMaps, blocks: Collection[Block], steps: frozenset[int] | None, text: NodeText
    ) -> None:
        self._maps, self._blocks, self._steps, self._text = maps, blocks, steps, text
        self._first_lines = tuple(text.lines)  # each run starts with these lines
        self._run: SamplerRun | None = None  # not in `transformer_options`, which a compiled model may store for ever
        self._lock = threading.Lock()  # ComfyUI runs several graphics cards in several threads
        self._last_node: ExecutingNode | None = None

    def __deepcopy__(self, memo: dict) -> "Capture":
        """The capture itself: a copy of the wrappers by another pack must fill the same maps."""
        return self

    def around_sampler(self, executor, model_wrap, sigmas: Tensor, extra_args, callback, noise: Tensor, *rest, **named):
        """Wraps `Sampler.sample`, where the conditionings are ready for the model. `model_wrap` is the guider."""
        self._maps.clear()
        size = noise.shape[-2], noise.shape[-1]
        run = SamplerRun(spans_by_id(model_wrap.conds), tuple(sigmas.tolist()), size, len(noise))
        require_steps(self._steps, len(run.sigmas) - 1)
        self._record_source()
        self._maps.size = run.size
        text = self._text
        text.lines[:] = self._first_lines
        text.show()  # instead of the text of the last run
        if is_compiled(model_wrap.model_patcher):
            text.add(NOT_COMPILED)
        for change in changed_texts(model_wrap.conds):
            text.warn(change)
        outer, self._run = self._run, run
        try:
            samples = executor(model_wrap, sigmas, extra_args, callback, noise, *rest, **named)
        except BaseException:
            self._maps.clear()  # an unfinished run has maps of some steps only
            raise
        finally:
            self._run = outer
        self._report(run, text)
        return samples

    def around_evaluation(self, executor, *args, **named):
        """Wraps `CFGGuider.predict_noise`, which is one evaluation."""
        if self._run is not None:
            self._run.evaluation.begin()
        return executor(*args, **named)

    def change_call(self, call: ModelCall) -> AbstractContextManager[dict[str, Any]] | None:
        """Sets an attention override for a call that the run captures."""
        run = self._run
        if run is None:
            return None
        override = self._override(run, call)
        return None if override is None else self._capturing(run, override)

    @contextmanager
    def _capturing(self, run: SamplerRun, override: AttentionOverride) -> Iterator[dict[str, Any]]:
        yield {OVERRIDE: override.attend}
        with self._lock:
            run.counts.blocks += len(override.captured)
            override.store_maps(self._maps)

    def _override(self, run: SamplerRun, call: ModelCall) -> AttentionOverride | None:
        """The override for this model call; None if the run does not capture this call."""
        with self._lock:
            run.counts.calls += 1
        if call.context is None or not {"sigmas", "uuids"} <= call.options.keys():
            return None  # another pack calls the model without saying which prompts it evaluates
        sigma = call.options["sigmas"][0].item()
        step = run.step_at(sigma)
        with self._lock:
            spans = run.new_spans(call.options["uuids"], sigma)
            is_captured = any(spans) and (self._steps is None or step in self._steps)
            run.counts.captured_calls += is_captured
        if not is_captured:
            return None
        text = call.context.shape[1]
        run.require_whole_images(call.latents, len(spans))
        require_tokens(spans, text)
        rows = [of_conditioning for of_conditioning in spans for _ in range(run.images)]
        cells, previous = _cells(call.latents), call.options.get(OVERRIDE)
        return AttentionOverride(step, rows, run.images, text, cells, self._blocks, previous)

    def _report(self, run: SamplerRun, text: NodeText) -> None:
        """Records why a finished run has no map, and shows it below the node. Later nodes need not ask for a map."""
        self._maps.missing = run.counts.missing_maps()
        if self._maps.missing is not None:
            text.warn(self._maps.missing)

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
