"""One run of a sampler with run-time branches: which branches act in a call, and in which tokens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...moe.branch import LayerBranch, TokenWeights
from .branch_layers import cast_weight
from .style_branch import StyleBranch
from .token_grids import Stream, TokenGrids, stream_of, style_weights

RUN = "styleroute_branch_sigmas"
"""Key, in a run's `transformer_options`, of the noise levels between which each branch acts."""
ROUNDING = 1 + 1e-5
"""Tolerance of a comparison of noise levels: samplers store them in float32."""


class BranchRun:
    """The wrappers of a MODEL with branches. The state of a run travels in the run's own `transformer_options`."""

    def __init__(self, branches: Sequence[StyleBranch]) -> None:
        self._branches = tuple(branches)

    def around_sampler(
        self, executor, guider, sigmas: Tensor, extra_args: dict, callback, noise: Tensor, *rest, **named
    ):
        """Wraps `Sampler.sample`: checks the branches against the batch, and finds their noise levels."""
        for branch in self._branches:
            if branch.place is not None:
                branch.place.require_images(len(noise))
        sampling = guider.model_patcher.get_model_object("model_sampling")
        levels = [_noise_levels(branch, sampling) for branch in self._branches]
        return executor(guider, sigmas, _with_option(extra_args, RUN, levels), callback, noise, *rest, **named)

    def around_transformer(
        self, executor, x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs
    ):
        """Wraps `Flux.forward`: the branches act during this call only; x [rows, C, H, W]."""
        grids = TokenGrids.of(x, context, ref_latents, len(transformer_options.get("cond_or_uncond", [0])))
        with installed(executor.class_obj, list(self._active(grids, transformer_options, x.device))):
            return executor(x, timestep, context, y, guidance, ref_latents, control, transformer_options, **kwargs)

    def _active(
        self, grids: TokenGrids, options: dict[str, Any], device: torch.device
    ) -> Iterator[tuple[StyleBranch, dict[Stream, TokenWeights]]]:
        """The branches that act in a call, with their weights in its tokens."""
        sigma = float(options["sigmas"][0])
        levels = options.get(RUN) or [(float("inf"), 0.0)] * len(self._branches)
        references = _style_references(self._branches, len(grids.references))
        for branch, (first, last) in zip(self._branches, levels, strict=True):
            if not last * ROUNDING < sigma <= first * ROUNDING:
                continue
            own = references.get(id(branch))
            weights = style_weights(
                grids, branch.place, [1.0] * grids.conditionings, own, frozenset(references.values()), device
            )
            if not all(stream.is_empty for stream in weights.values()):
                yield branch, weights


@contextmanager
def installed(network: nn.Module, active: Sequence[tuple[StyleBranch, dict[Stream, TokenWeights]]]) -> Iterator[None]:
    """Lets branches act on the layers of `network`, and removes them again in any case."""
    with ExitStack() as stack:
        for branch, weights in active:
            for key, layer in branch.layers.items():
                hook = _hook(branch, layer, weights[stream_of(key)])
                stack.callback(network.get_submodule(key).register_forward_hook(hook).remove)
        yield


def _hook(branch: StyleBranch, layer: LayerBranch, weights: TokenWeights) -> Callable:
    """A forward hook that adds the change of a branch to a layer's output."""

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        layer.add_to(output, inputs[0], weights, branch.strength, cast_weight)
        return output

    return add


def _noise_levels(branch: StyleBranch, sampling: Any) -> tuple[float, float]:
    """The highest noise level (sigma) at which a branch acts, and the level below which it does not act any more."""
    schedule = branch.schedule
    first = float("inf") if schedule.start <= 0 else float(sampling.percent_to_sigma(schedule.start))
    last = -1.0 if schedule.end >= 1 else float(sampling.percent_to_sigma(schedule.end))
    return first, last


def _style_references(branches: Sequence[StyleBranch], references: int) -> dict[int, int]:
    """The number of the reference that shows each style, by the branch's id. The first reference shows the content."""
    readers = [branch for branch in branches if branch.reads_style_image]
    return {id(branch): 1 + index for index, branch in enumerate(readers) if 1 + index < references}


def _with_option(extra_args: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a sampler's arguments with one more entry in the `transformer_options` of every model call."""
    options = extra_args["model_options"]
    transformer_options = {**options.get("transformer_options", {}), key: value}
    return {**extra_args, "model_options": {**options, "transformer_options": transformer_options}}
