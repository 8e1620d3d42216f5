"""The one place where the pack wraps a MODEL: around a run, a sampler, an evaluation and a model call.

Nothing of ours stays in `transformer_options` while compiled code runs:

- The state of a run is kept in objects, never in `transformer_options`.
- A model call that we change runs without compilation (see `compilation.py`).
- Our own wrappers are taken out of `transformer_options` before each model call, because they differ from run to run.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from comfy.model_base import BaseModel
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .comfy_server import errors_below_node
from .compilation import eager

OWN = "styleroute"
"""All keys of our wrappers start with this text."""
WRAPPERS = "wrappers"
"""Key of all packs' wrappers in ComfyUI's `transformer_options`: {kind: {key: [wrapper, ...]}}."""

Options = Mapping[str, Any]
"""ComfyUI's `transformer_options`."""


@dataclass(frozen=True, eq=False)
class ModelCall:
    """One call of `BaseModel.apply_model`, for one batch.

    Attributes:
        model: the model that is called. On several graphics cards, each card has its own.
        latents: [rows, C, H, W].
        context: the encoded text, [rows, text tokens, D]; None for a model without text.
        options: the `transformer_options` of this call.
        references: the reference latents, each [rows, C, H, W].
        reference_method: how the references are placed, such as "index"; None for the model's own method.
    """

    model: BaseModel
    latents: Tensor
    context: Tensor | None
    options: Options
    references: tuple[Tensor, ...] = ()
    reference_method: str | None = None


Change = Callable[[ModelCall], AbstractContextManager[Options] | None]
"""What a feature does to a model call; None leaves the call as it is, and the call may then run compiled.

The context manager installs something, and yields `transformer_options` to add. It must restore everything in
`finally`. The changed call runs without compilation.
"""


def wrap_calls(model: ModelPatcher, key: str, change: Change) -> None:
    """Applies `change` to each call of the model. Changes `model`, which must be a clone.

    Args:
        key: names the feature. Wrappers of one key run in the order in which they were added.
    """

    def around_call(executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **named):
        options = without_own_wrappers(transformer_options or {})
        references = tuple(named.get("ref_latents") or ())
        method = named.get("ref_latents_method")
        context = change(ModelCall(executor.class_obj, x, c_crossattn, options, references, method))
        if context is None:
            return executor(x, t, c_concat, c_crossattn, control, options, **named)
        with eager(), context as added:
            return executor(x, t, c_concat, c_crossattn, control, {**options, **added}, **named)

    model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, _own(key), around_call)


def wrap_run(model: ModelPatcher, key: str, wrapper: Callable) -> None:
    """Wraps `CFGGuider.outer_sample`, before the model is loaded. Changes `model`, which must be a clone.

    Args:
        wrapper: gets ComfyUI's executor and the arguments of the wrapped method; other packs may pass them by name.
    """
    _wrap(model, WrappersMP.OUTER_SAMPLE, key, wrapper)


def wrap_sampler(model: ModelPatcher, key: str, wrapper: Callable) -> None:
    """Like `wrap_run`, but wraps `Sampler.sample`, where the conditionings are ready for the model."""
    _wrap(model, WrappersMP.SAMPLER_SAMPLE, key, wrapper)


def wrap_evaluation(model: ModelPatcher, key: str, wrapper: Callable) -> None:
    """Like `wrap_run`, but wraps `CFGGuider.predict_noise`, which is one evaluation."""
    _wrap(model, WrappersMP.PREDICT_NOISE, key, wrapper)


def unwrap(model: ModelPatcher, key: str) -> None:
    """Removes the wrappers of a feature. Changes `model`, which must be a clone."""
    for kind in (WrappersMP.SAMPLER_SAMPLE, WrappersMP.PREDICT_NOISE, WrappersMP.APPLY_MODEL):
        model.remove_wrappers_with_key(kind, _own(key))


def without_own_wrappers(options: Options) -> dict[str, Any]:
    """A copy of `transformer_options` without our wrappers. It equals the options of the model without our nodes."""
    if WRAPPERS not in options:
        return dict(options)
    others = {
        kind: {key: wrappers for key, wrappers in by_key.items() if not str(key).startswith(OWN)}
        for kind, by_key in options[WRAPPERS].items()
    }
    return {**options, WRAPPERS: {kind: by_key for kind, by_key in others.items() if by_key}}


def _wrap(model: ModelPatcher, kind: str, key: str, wrapper: Callable) -> None:
    def showing_errors(executor, *arguments, **named):
        with errors_below_node():
            return wrapper(executor, *arguments, **named)

    # A plain function, because ComfyUI 0.3.75 copies bound methods with their objects when it clones a model.
    model.add_wrapper_with_key(kind, _own(key), showing_errors)
    # Takes the wrapper out of `transformer_options`, also if no feature changes the model's calls.
    if not model.get_wrappers(WrappersMP.APPLY_MODEL, OWN):
        wrap_calls(model, "", lambda call: None)


def _own(key: str) -> str:
    return f"{OWN}_{key}" if key else OWN
