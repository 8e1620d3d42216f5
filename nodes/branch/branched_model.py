"""Adds a style to a MODEL as a run-time branch, with a place and a time of its own."""

from collections import defaultdict
from collections.abc import Mapping

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...moe import LowRank
from ...moe.branch import PairRows
from ..model_patching import PatchKey
from .branch_layers import BranchLayers, branch_dtype, patcher_of
from .branch_run import BranchRun
from .style_branch import StyleBranch

KEY = "styleroute_branch"
"""Key of the wrappers, of the attachment and of the additional models of a MODEL with branches."""


def branch_layers(model: ModelPatcher, keys: Mapping[str, PatchKey], pairs: Mapping[str, LowRank]) -> BranchLayers:
    """The low-rank pairs, by diffusers layer name, as the changes of the model's modules."""
    by_module: dict[str, list[PairRows]] = defaultdict(list)
    for layer, pair in pairs.items():
        key = keys[layer]
        name, rows = (key, None) if isinstance(key, str) else (key[0], key[1][1:])
        by_module[name.removeprefix("diffusion_model.").removesuffix(".weight")].append(PairRows(pair, rows))
    return BranchLayers(by_module, branch_dtype(model))


def branched(model: ModelPatcher, branch: StyleBranch) -> ModelPatcher:
    """A clone of `model` with one more branch. The weights of `model` stay as they are."""
    clone = model.clone()
    branches = (*branches_of(model), branch)
    run = BranchRun(branches)
    wrappers = {
        WrappersMP.SAMPLER_SAMPLE: run.around_sampler,
        WrappersMP.DIFFUSION_MODEL: run.around_transformer,
    }
    for kind, wrapper in wrappers.items():
        clone.remove_wrappers_with_key(kind, KEY)
        clone.add_wrapper_with_key(kind, KEY, wrapper)
    clone.set_attachments(KEY, branches)
    patchers = [*clone.get_additional_models_with_key(KEY), patcher_of(branch.layers, model)]
    clone.set_additional_models(KEY, patchers)
    return clone


def branches_of(model: ModelPatcher) -> tuple[StyleBranch, ...]:
    """The branches of a MODEL, in the order in which they were added."""
    return model.get_attachment(KEY) or ()
