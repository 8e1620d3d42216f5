"""The styles of a MODEL: run-time branches with a place and a time of their own, and styles in its weights."""

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
from .style_branch import MergedStyle, ModelStyle, StyleBranch

KEY = "styleroute_branch"
"""Key of the attachment and of the additional models of a MODEL with styles."""
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
    return _with_styles(model, (*styles_of(model), branch), blocks)


def with_merged(model: ModelPatcher, style: MergedStyle, blocks: Collection[Block] = ()) -> ModelPatcher:
    """A clone of `model` that knows of a style in its weights.

    Args:
        model: a Flux into whose weights the style was merged.
        style: the style.
        blocks: the blocks whose attention finds the named objects of all styles.
    """
    return _with_styles(model, (*styles_of(model), style), blocks)


def with_free_prompts(model: ModelPatcher, blocks: Collection[Block] = ()) -> ModelPatcher:
    """A clone of `model` whose merged styles can be switched off for single prompts.

    The merged weights stay: at run time a branch subtracts the styles from the rows of a prompt without them.
    """
    return _with_styles(model, tuple(_subtractable(model, style) for style in styles_of(model)), blocks)


def styles_of(model: ModelPatcher) -> tuple[ModelStyle, ...]:
    """All styles of a MODEL, in the order in which they were added."""
    return model.get_attachment(KEY) or ()


def branches_of(model: ModelPatcher) -> tuple[StyleBranch, ...]:
    """The styles of a MODEL that act at run time, in the order in which they were added."""
    return tuple(style for style in styles_of(model) if isinstance(style, StyleBranch))


def _with_styles(model: ModelPatcher, styles: tuple[ModelStyle, ...], blocks: Collection[Block]) -> ModelPatcher:
    """A clone of `model` with these styles instead of the earlier ones."""
    clone, earlier = model.clone(), branches_of(model)
    clone.set_attachments(KEY, styles)
    branches = branches_of(clone)
    for key in (RUN, OBJECTS):
        unwrap(clone, key)
    if not branches:
        return clone
    named = [each.place.object for each in branches if each.place is not None and each.place.object is not None]
    objects = ObjectMaps(named) if named else None
    run = BranchRun(styles, objects)
    wrap_sampler(clone, RUN, run.around_sampler)
    wrap_evaluation(clone, RUN, run.around_evaluation)
    wrap_calls(clone, RUN, run.change_call)
    added = [branch for branch in branches if branch not in earlier]
    patchers = [patcher_of(layers, model) for branch in added for layers in branch.layers]
    clone.set_additional_models(KEY, [*clone.get_additional_models_with_key(KEY), *patchers])
    if objects is None:
        return clone
    return with_capture(clone, objects.maps, blocks, None, key=OBJECTS, find_spans=objects.find_spans)


def _subtractable(model: ModelPatcher, style: ModelStyle) -> StyleBranch:
    """A merged style as a branch that can subtract it; other styles as they are."""
    if isinstance(style, StyleBranch):
        return style
    layers = (branch_layers(model, style.keys, style.pairs),)
    return StyleBranch(style.name, layers, style.strength, reads_style_image=style.reads_style_image, is_merged=True)
