"""Adds region experts to a MODEL. Keeps the changed clone, so that ComfyUI does not load the model again per seed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from comfy.model_patcher import ModelPatcher

from ...attention.selection import Block
from ...moe import StyleExpert
from ..branch.branched_model import branch_layers, branched
from ..branch.named_objects import StyleRegion
from ..branch.places import Place
from ..branch.style_branch import StyleBranch
from ..model_patching import PatchKey, patch_keys, patched
from ..weight_storage import stores_few_bits

KEPT = "_styleroute_with_experts"
"""Attribute of a MODEL that keeps its last clone with experts as long as the MODEL lives. Clones do not inherit it."""

Keys = Mapping[str, PatchKey]
"""The model's weights by layer of the expert."""


@dataclass(frozen=True)
class WithExperts:
    """A clone with experts.

    Attributes:
        recipe: patches, strength, files and regions of the clone. Another recipe needs another clone.
        base: a clone without experts. ComfyUI returns to it after the clone with experts is deleted.
        model: the clone of `base` with experts.
    """

    recipe: tuple
    base: ModelPatcher
    model: ModelPatcher


def with_experts(
    model: ModelPatcher,
    experts: Sequence[StyleExpert],
    strength: float,
    regions: Sequence[StyleRegion] = (),
    blocks: Collection[Block] = (),
) -> ModelPatcher:
    """A clone of `model` with the experts added. Returns the clone of the last run if nothing has changed.

    One expert changes the whole image: its training teaches it the region. It is merged into the weights, unless they
    store 8 bits or less, where merging would lose it to rounding. Several experts act at run time, each in its own
    region, so that no object gets two styles.

    Adding patches changes patches_uuid, so ComfyUI would re-patch every weight on each run. Setting the old uuid does
    not help: ComfyUI may unload some weights between two runs, and only a patcher with the patches restores them.

    Args:
        model: the MODEL.
        experts: the experts.
        strength: factor of their changes.
        regions: the region of each expert; empty for the whole image.
        blocks: the blocks whose attention finds the regions.

    Raises:
        StyleExpertError: an expert does not fit the model. No expert is applied then.
    """
    keys = [patch_keys(model, expert) for expert in experts]
    if not experts or strength == 0:
        return model
    recipe = (model.patches_uuid, strength, *(expert.version for expert in experts), *_recipes(regions), *blocks)
    kept: WithExperts | None = getattr(model, KEPT, None)
    if kept is not None and kept.recipe == recipe:
        return kept.model
    has_base = kept is not None and kept.base.patches_uuid == model.patches_uuid
    clone = base = kept.base if kept is not None and has_base else _clone_without_parent(model)
    places = [Place(object=region) for region in regions] or [None] * len(experts)
    for expert, own_keys, place in zip(experts, keys, places, strict=True):
        clone = _with_expert(clone, expert, own_keys, strength, place, blocks)
    setattr(model, KEPT, WithExperts(recipe, base, clone))
    return clone


def _with_expert(
    model: ModelPatcher,
    expert: StyleExpert,
    keys: Keys,
    strength: float,
    place: Place | None,
    blocks: Collection[Block],
) -> ModelPatcher:
    pairs = expert.collapse(None)
    names = (key if isinstance(key, str) else key[0] for key in keys.values())
    if place is None and not stores_few_bits(model, names):
        return patched(model, keys, pairs, strength)
    layers = (branch_layers(model, keys, pairs),)
    return branched(model, StyleBranch(expert.path.name, layers, strength, place), blocks)


def _recipes(regions: Sequence[StyleRegion]) -> list[tuple]:
    return [(region.styles, region.from_step) for region in regions]


def _clone_without_parent(model: ModelPatcher) -> ModelPatcher:
    """A clone that does not refer to `model`. A reference cycle would keep all weights until Python collects it."""
    clone = model.clone()
    clone.parent = model.parent
    return clone
