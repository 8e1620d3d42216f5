"""Region experts on a MODEL, kept from run to run, so that ComfyUI does not load the model anew for each seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher

from ...moe import StyleExpert
from ..model_patching import patch_keys, patched
from .region_experts import file_state

KEPT = "_styleroute_with_experts"
"""Attribute of a MODEL: its last clone with experts, which lives as long as the MODEL. Clones do not get it."""


@dataclass(frozen=True)
class WithExperts:
    """A clone, and all that it was made of.

    Attributes:
        recipe: another one makes another clone.
        base: a clone without experts, which ComfyUI goes back to when the one with experts is no longer there.
        model: the clone of `base` with experts.
    """

    recipe: tuple
    base: ModelPatcher
    model: ModelPatcher


def with_experts(model: ModelPatcher, experts: Sequence[StyleExpert], strength: float) -> ModelPatcher:
    """A clone of `model` with the experts added: the one of the last run, unless something has changed.

    Newly added patches make another model of a clone for ComfyUI, which then restores all weights and patches them
    again. To give them the old id would not do: ComfyUI may unload a part of the weights between two runs, and only a
    patcher that still has the patches puts them on again. So the clone itself is kept, as the cache of outputs keeps
    that of a stock loader.

    Raises:
        StyleExpertError: an expert does not fit the model; none is applied then.
    """
    keys = [patch_keys(model, expert) for expert in experts]
    if not experts or strength == 0:
        return model
    recipe = (model.patches_uuid, strength, *(file_state(str(expert.path)) for expert in experts))
    kept = getattr(model, KEPT, None)
    if kept is None or kept.recipe != recipe:
        is_there = kept is not None and kept.base.patches_uuid == model.patches_uuid
        clone = base = kept.base if is_there else _beside(model)
        for expert, own_keys in zip(experts, keys, strict=True):
            clone = patched(clone, own_keys, expert.collapse(None), strength)
        kept = WithExperts(recipe, base, clone)
        setattr(model, KEPT, kept)
    return kept.model


def _beside(model: ModelPatcher) -> ModelPatcher:
    """A clone that does not know `model` as its parent: a MODEL that is kept alive by its own clones would stay in
    memory, with all its weights, until Python looks for such circles."""
    clone = model.clone()
    clone.parent = model.parent
    return clone
