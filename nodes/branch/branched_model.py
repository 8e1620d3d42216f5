"""Adds a style to a MODEL as a run-time branch, with a place and a time of its own."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from comfy.model_patcher import ModelPatcher

from ...attention.selection import Block
from ...flux.layer_names import in_comfy_order
from ...moe import LowRank
from ...moe.branch import PairRows
from ..maps.capture import with_capture
from ..model_patching import PatchKey
from ..model_wrappers import unwrap, wrap_calls, wrap_evaluation, wrap_sampler
from .branch_layers import BranchLayers, branch_dtype, patcher_of
from .branch_run import BranchRun
from .object_maps import ObjectMaps
from .style_branch import StyleBranch

KEY = "styleroute_branch"
"""Key of the attachment and of the additional models of a MODEL with styles at run time."""
RUN, OBJECTS = "branch", "branch_objects"
"""Keys of the wrappers: of the styles themselves, and of the capture that finds the named objects."""


def branch_layers(model: ModelPatcher, keys: Mapping[str, PatchKey], pairs: Mapping[str, LowRank]) -> BranchLayers:
    """The low-rank pairs, by diffusers layer name, as the changes of the model's modules."""
    by_module: dict[str, list[PairRows]] = defaultdict(list)
    for layer, key in keys.items():
        if layer not in pairs:
            continue
        pair = LowRank(up=in_comfy_order(layer, pairs[layer].up), down=pairs[layer].down)
        name, rows = (key, None) if isinstance(key, str) else (key[0], key[1][1:])
        by_module[name.removeprefix("diffusion_model.").removesuffix(".weight")].append(PairRows(pair, rows))
    return BranchLayers(by_module, branch_dtype(model))


def branched(model: ModelPatcher, branch: StyleBranch, blocks: Collection[Block] = ()) -> ModelPatcher:
    """A clone of `model` with one more style at run time. The weights of `model` stay as they are.

    Args:
        model: a Flux, with or without styles.
        branch: the style.
        blocks: the blocks whose attention finds the named objects of all styles.
    """
    clone = model.clone()
    branches = (*branches_of(model), branch)
    named = [each.place.object for each in branches if each.place is not None and each.place.object is not None]
    objects = ObjectMaps(named) if named else None
    for key in (RUN, OBJECTS):
        unwrap(clone, key)
    run = BranchRun(branches, objects)
    wrap_sampler(clone, RUN, run.around_sampler)
    wrap_evaluation(clone, RUN, run.around_evaluation)
    wrap_calls(clone, RUN, run.change_call)
    clone.set_attachments(KEY, branches)
    own = [patcher_of(layers, model) for layers in branch.layers]
    clone.set_additional_models(KEY, [*clone.get_additional_models_with_key(KEY), *own])
    if objects is None:
        return clone
    return with_capture(clone, objects.maps, blocks, None, key=OBJECTS, find_spans=objects.find_spans)


def branches_of(model: ModelPatcher) -> tuple[StyleBranch, ...]:
    """The branches of a MODEL, in the order in which they were added."""
    return model.get_attachment(KEY) or ()
