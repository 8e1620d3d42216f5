"""One run of a sampler with run-time branches: which styles act in a call, and in which tokens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ...moe.branch import LayerBranch, TokenWeights
from ..compilation import without_compilation
from ..maps.sampler_run import SamplerRun, require_no_rectangle
from ..model_wrappers import ModelCall
from .branch_layers import BranchLayers, cast_weight
from .object_maps import ObjectMaps, absent_notice
from .prompt_styles import PromptStyles, prompt_styles
from .repeated_sampling import RepeatedSampling
from .style_branch import ModelStyle, StyleBranch
from .token_grids import ReferenceWeights, Stream, TokenGrids, nowhere, stream_of, style_weights

ROUNDING = 1 + 1e-5
"""Tolerance of a comparison of noise levels: samplers store them in float32."""

Active = tuple[BranchLayers, float, dict[Stream, TokenWeights]]
"""The changes of a style that acts in a call, with its strength and its weights in the call's tokens."""


@dataclass
class RunState:
    """What changes while one sampler runs.

    Attributes:
        levels: the noise levels (first, last) between which each style acts.
        run: steps and size of the run.
        prompts: what each conditioning says about styles, by its id.
        masks: the objects' masks of the current evaluation; None before its first call.
    """

    levels: list[tuple[float, float]]
    run: SamplerRun
    prompts: Mapping[Any, PromptStyles]
    masks: dict[str, Tensor] | None = field(default=None)


class BranchRun:
    """The wrappers of a MODEL with run-time branches, and the current run.

    Args:
        styles: all styles of the MODEL, in the order in which they were added. Merged styles only count as owners of
            their reference images.
        objects: maps and masks of the objects that the styles name; None if they name none.
    """

    def __init__(self, styles: Sequence[ModelStyle], objects: ObjectMaps | None) -> None:
        self._branches = tuple(style for style in styles if isinstance(style, StyleBranch))
        self._owners, self._objects = _owners(styles), objects
        self._needs_whole_images = any(branch.needs_whole_images for branch in self._branches)
        self._repeated = RepeatedSampling()
        self._state: RunState | None = None  # not in `transformer_options`, which a compiled model may store for ever

    def __deepcopy__(self, memo: dict) -> "BranchRun":
        """The run itself: a copy of the wrappers by another pack must see the same run."""
        return self

    def around_sampler(self, executor, model_wrap, sigmas: Tensor, extra_args, callback, noise: Tensor, *rest, **named):
        """Wraps `Sampler.sample`: checks the places against the batch. `model_wrap` is the guider."""
        for branch in self._branches:
            branch.require_images(len(noise))
        if self._needs_whole_images:
            require_no_rectangle(cond for group in model_wrap.conds.values() for cond in group)
            self._repeated.begin()
        if self._objects is not None:
            self._objects.begin()
        sampling = model_wrap.model_patcher.get_model_object("model_sampling")
        run = SamplerRun({}, tuple(sigmas.tolist()), (noise.shape[-2], noise.shape[-1]), len(noise))
        outer = self._state
        levels = [_noise_levels(branch, sampling) for branch in self._branches]
        self._state = RunState(levels, run, prompt_styles(model_wrap.conds))
        try:
            samples = executor(model_wrap, sigmas, extra_args, callback, noise, *rest, **named)
        finally:
            self._state = outer
        self._report_absent(len(noise))
        return samples

    def _report_absent(self, images: int) -> None:
        """Says below the nodes of the styles whose objects were not found."""
        absent = {} if self._objects is None else self._objects.absent()
        for branch in self._branches:
            named = None if branch.place is None else branch.place.object
            if named is not None and named.name in absent:
                branch.text.copy().warn(absent_notice(named.name, absent[named.name], images))

    def around_evaluation(self, executor, *args, **named):
        """Wraps `CFGGuider.predict_noise`, which is one evaluation: all of its calls use the same masks."""
        if self._state is not None:
            self._state.masks = None
        return executor(*args, **named)

    def change_call(self, call: ModelCall) -> AbstractContextManager[dict[str, Any]] | None:
        """Lets the styles act during one call of the model; None if none of them acts."""
        active = list(self._active(call))
        network = without_compilation(call.model.diffusion_model)
        return installed(network, active) if active else None

    def _active(self, call: ModelCall) -> Iterator[Active]:
        """The styles that act in a call, with their weights in its tokens."""
        state = self._state
        if state is None or call.context is None:
            return
        sigma = float(call.options["sigmas"][0])
        conditionings = len(call.options["cond_or_uncond"])
        if self._needs_whole_images:
            state.run.require_whole_images(call.latents, conditionings)
        grids = TokenGrids.of(call.latents, call.context, call.references, conditionings)
        ids = call.options.get("uuids") or [None] * conditionings
        prompts = [state.prompts.get(uuid, PromptStyles()) for uuid in ids]
        masks = self._masks(state, sigma, grids.tokens)
        for branch, (first, last) in zip(self._branches, state.levels, strict=True):
            factors = [branch.added(prompt.factor) for prompt in prompts]
            shown = [self._reference_weights(branch, prompt, len(grids.references)) for prompt in prompts]
            is_acting = last * ROUNDING < sigma <= first * ROUNDING and branch.acts_with(masks)
            if not any(factors) or not (is_acting or any(1.0 in weights for weights in shown)):
                continue
            # The base model would copy a style image. So the style's reference always gets its own experts.
            place, device = branch.weights_in(masks) if is_acting else nowhere, call.latents.device
            for image, layers in branch.layers_by_image:
                yield layers, branch.strength, style_weights(grids, place, factors, shown, device, image)

    def _reference_weights(self, branch: StyleBranch, prompt: PromptStyles, references: int) -> ReferenceWeights:
        """The style's weight in each reference of a conditioning. A merged style acts on all references."""
        if branch.is_merged:
            return [None] * references
        owners = [self._owners.get(prompt.number_of(index)) for index in range(references)]
        return [None if owner is None else float(owner is branch) for owner in owners]

    def _masks(self, state: RunState, sigma: float, tokens: int) -> dict[str, Tensor]:
        """The masks of the objects, the same for all calls of an evaluation."""
        if self._objects is None:
            return {}
        if state.masks is None:
            state.masks = self._objects.masks(state.run.step_at(sigma), tokens)
        return state.masks


@contextmanager
def installed(network: nn.Module, active: Sequence[Active]) -> Iterator[dict[str, Any]]:
    """Lets styles act on the layers of `network`, and removes them again in any case."""
    with ExitStack() as stack:
        for layers, strength, weights in active:
            for key, layer in layers.items():
                own = weights[stream_of(key)]
                if not own.is_empty:
                    handle = _layer(network, key).register_forward_hook(_hook(layer, strength, own))
                    stack.callback(handle.remove)
        yield {}


def _layer(network: nn.Module, key: str) -> nn.Module:
    """The layer of a name. Another node may have compiled a block on the way, which hides it in a module of its own."""
    module = network
    for name in key.split("."):
        module = without_compilation(getattr(module, name))
    return module


def _hook(layer: LayerBranch, strength: float, weights: TokenWeights) -> Callable:
    """A forward hook that adds the change of a style to a layer's output."""

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        layer.add_to(output, inputs[0], weights, strength, cast_weight)
        return output

    return add


def _noise_levels(branch: StyleBranch, sampling: Any) -> tuple[float, float]:
    """The highest noise level (sigma) at which a style acts, and the level at which it stops."""
    schedule = branch.schedule
    first = float("inf") if schedule.start <= 0 else float(sampling.percent_to_sigma(schedule.start))
    last = -1.0 if schedule.end >= 1 else float(sampling.percent_to_sigma(schedule.end))
    return first, last


def _owners(styles: Sequence[ModelStyle]) -> dict[int, ModelStyle]:
    """The style of each reference image, by the image's number. The first reference, number 0, shows the content."""
    readers = [style for style in styles if style.reads_style_image]
    return dict(enumerate(readers, start=1))
