"""A guider with two guidance terms: one for the content, and one for the style.

    x0 = a + (content - 1) (a - b) + (style - 1) (a - c)

a, b and c are the model's predictions for the whole prompt, for the prompt without the content, and for the prompt
without the style. A dial at 1 needs no prediction of its own. Two such terms for an image and an instruction: Brooks et
al., InstructPix2Pix, 2023, section 3.2.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import comfy.samplers
from torch import Tensor

from .dial_prompts import Conditioning

CALL = "sampler_calc_cond_batch_function"
"""Key of a function in ComfyUI's `model_options` that evaluates the conditionings of a step."""
NEUTRAL = 1.0
"""The value of a dial that has no effect."""


class DialGuider(comfy.samplers.CFGGuider):
    """ComfyUI's guider with more than one negative prompt, each with a dial of its own.

    Other nodes see one negative prediction, which is the mean of the negative ones weighted by their dials. So
    `Rescale CFG` and the like work as with one negative prompt.
    """

    def set_prompts(self, positive: Conditioning, negatives: Mapping[str, Conditioning]) -> None:
        """Sets the whole prompt, and the prompts that lack something, by name."""
        self.inner_set_conds({"positive": positive, **negatives})

    def set_dials(self, dials: Mapping[str, float]) -> None:
        """Sets the dial of each negative prompt, by its name. Dials at 1 are left out."""
        self.weights = {name: dial - NEUTRAL for name, dial in dials.items() if dial != NEUTRAL}

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict = {}, seed: int | None = None) -> Tensor:  # noqa: B006
        """The guided prediction of the clean latents, [B, C, H, W]."""
        if not self.weights:
            return super().predict_noise(x, timestep, model_options, seed)
        negatives, weights = [self.conds[name] for name in self.weights], list(self.weights.values())
        options = {**model_options, CALL: _evaluate_all(negatives, weights, model_options.get(CALL))}
        scale = 1 + _total(weights)
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negatives[0], self.conds["positive"], scale, model_options=options, seed=seed
        )


Evaluate = Callable[[dict[str, Any]], Sequence[Tensor]]
"""Evaluates args["conds"], a list of conditionings; None gives zeros."""


def _evaluate_all(negatives: Sequence[list], weights: Sequence[float], other: Evaluate | None) -> Evaluate:
    """A function that evaluates the whole prompt and all negative ones, and returns one negative prediction."""

    def evaluate(args: dict[str, Any]) -> Sequence[Tensor]:
        positive = args["conds"][0]
        if other is None:
            whole, *lacking = _stock({**args, "conds": [positive, *negatives]})
        else:  # another pack evaluates two conditionings
            whole, *lacking = other({**args, "conds": [positive, negatives[0]]})
            lacking += _stock({**args, "conds": negatives[1:]}) if negatives[1:] else []
        guidance = sum(weight * (whole - one) for weight, one in zip(weights, lacking, strict=True))
        return [whole, whole - guidance / _total(weights)]

    return evaluate


def _stock(args: dict[str, Any]) -> Sequence[Tensor]:
    """ComfyUI's own evaluation: one call of the model for all conditionings of equal size."""
    return comfy.samplers.calc_cond_batch(
        args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
    )


def _total(weights: Sequence[float]) -> float:
    return sum(abs(weight) for weight in weights)
