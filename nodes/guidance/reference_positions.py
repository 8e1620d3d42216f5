"""Keeps each reference image at its position among the model's tokens, also in a prompt that lacks an earlier one.

ComfyUI's reference method `index` counts the references of each prompt: without the content image, the style image
would get the position of the content. Experts know the style image at its own position only.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from comfy.model_patcher import ModelPatcher

from ..branch.prompt_styles import PromptStyles, prompt_styles
from ..model_wrappers import ModelCall, wrap_calls, wrap_sampler
from ..styles.style_reference import INDEX_METHOD

KEY = "reference_positions"


def with_kept_positions(model: ModelPatcher) -> ModelPatcher:
    """A clone of `model` in which a reference has the position that it has in the positive prompt."""
    clone, positions = model.clone(), ReferencePositions()
    wrap_sampler(clone, KEY, positions.around_sampler)
    wrap_calls(clone, KEY, positions.change_call)
    return clone


class ReferencePositions:
    """The wrappers of one model, and the prompts of the current run."""

    def __init__(self) -> None:
        self._prompts: Mapping[Any, PromptStyles] = {}

    def __deepcopy__(self, memo: dict) -> "ReferencePositions":
        """The object itself: a copy of the wrappers by another pack must see the same run."""
        return self

    def around_sampler(self, executor, model_wrap, *arguments, **named):
        """Wraps `Sampler.sample`, where the conditionings are ready for the model. `model_wrap` is the guider."""
        outer, self._prompts = self._prompts, prompt_styles(model_wrap.conds)
        try:
            return executor(model_wrap, *arguments, **named)
        finally:
            self._prompts = outer

    def change_call(self, call: ModelCall) -> AbstractContextManager[Mapping[str, Any]] | None:
        """Moves the references of a call; None if all are in their places."""
        if not (call.reference_method or "").startswith(INDEX_METHOD):
            return None
        prompts = [self._prompts.get(uuid, PromptStyles()) for uuid in call.options.get("uuids", ())]
        places = range(len(call.references))
        numbers = [[prompt.number_of(place) for place in places] for prompt in prompts]
        if all(number == place for of_prompt in numbers for place, number in enumerate(of_prompt)):
            return None
        return _moved(call, numbers)


@contextmanager
def _moved(call: ModelCall, numbers: Sequence[Sequence[int]]) -> Iterator[Mapping[str, Any]]:
    """Gives each reference of each conditioning the index of its number; number 0 has the index 1."""
    images = len(call.latents) // len(numbers)

    def move(tokens: dict[str, Any]) -> dict[str, Any]:
        before = tokens["img_ids"]  # [B, tokens, (index, row, column)]
        ids = before.clone()
        for row, of_prompt in enumerate(numbers):
            rows = slice(row * images, (row + 1) * images)
            for place, number in enumerate(of_prompt):
                ids[rows, :, 0] += (number - place) * (before[rows, :, 0] == place + 1)
        return {**tokens, "img_ids": ids}

    patches = call.options.get("patches", {})
    # First, because StyleExpert's row offset moves the references by their index.
    yield {"patches": {**patches, "post_input": [move, *patches.get("post_input", ())]}}
