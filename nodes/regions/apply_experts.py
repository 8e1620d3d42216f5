"""Adds region experts to a MODEL. Keeps the patched clone, so that ComfyUI does not load the model again per seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher

from ...moe import StyleExpert
from ..model_patching import patch_keys, patched

KEPT = "_styleroute_with_experts"
"""Attribute of a MODEL that keeps its last clone with experts as long as the MODEL lives. Clones do not inherit it."""


@dataclass(frozen=True)
class WithExperts:
    """A clone with experts.

    Attributes:
        recipe: patches, strength and files of the clone. Another recipe needs another clone.
        base: a clone without experts. ComfyUI returns to it after the clone with experts is deleted.
        model: the clone of `base` with experts.
    """

    recipe: tuple
    base: ModelPatcher
    model: ModelPatcher


def with_experts(model: ModelPatcher, experts: Sequence[StyleExpert], strength: float) -> ModelPatcher:
    """A clone of `model` with the experts added. Returns the clone of the last run if nothing has changed.

    Adding patches changes patches_uuid, so ComfyUI would re-patch every weight on each run. Setting the old uuid does
    not help: ComfyUI may unload some weights between two runs, and only a patcher with the patches restores them.

    Raises:
        StyleExpertError: an expert does not fit the model. No expert is applied then.
    """
    keys = [patch_keys(model, expert) for expert in experts]
    if not experts or strength == 0:
        return model
    recipe = (model.patches_uuid, strength, *(expert.version for expert in experts))
    kept: WithExperts | None = getattr(model, KEPT, None)
    if kept is not None and kept.recipe == recipe:
        return kept.model
    has_base = kept is not None and kept.base.patches_uuid == model.patches_uuid
    clone = base = kept.base if kept is not None and has_base else _clone_without_parent(model)
    for expert, own_keys in zip(experts, keys, strict=True):
        clone = patched(clone, own_keys, expert.collapse(None), strength)
    setattr(model, KEPT, WithExperts(recipe, base, clone))
    return clone


def _clone_without_parent(model: ModelPatcher) -> ModelPatcher:
    """A clone that does not refer to `model`. A reference cycle would keep all weights until Python collects it."""
    clone = model.clone()
    clone.parent = model.parent
    return clone
