"""A word of warning where experts that read the style picture itself are sampled without it."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP

from ...moe import StyleExpert
from ..comfy_server import say_under_node

NEEDED = 2
"""Reference latents: the photo's and the style picture's."""
MISSING = (
    "{name} was trained with the style picture beside the photo, and the prompt has {found}: add a Reference Latent "
    "with the style picture after the photo's, as in the pack's example workflow; without it the style is weaker."
)

Conds = Mapping[str, Iterable[Mapping[str, Any]]]
"""Of a guider: the conditionings by kind."""


def reads_style_picture(expert: StyleExpert) -> bool:
    """Whether its file says that it was trained with the style picture as a second reference."""
    return bool((expert.training or {}).get("style_reference"))


def warn_without_style_picture(model: ModelPatcher, expert: StyleExpert, node_id: str | None) -> None:
    """From now on `model` says in the log, and under the node, when it is sampled without the style picture."""

    def around_sampling(executor, *arguments, **named):
        found = count_references(executor.class_obj.conds)
        if found < NEEDED:
            _tell(MISSING.format(name=expert.path.name, found=_words(found)), node_id)
        return executor(*arguments, **named)

    model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "styleroute_style_picture", around_sampling)


def count_references(conds: Conds) -> int:
    """The most reference latents that one of the positive conditionings has."""
    return max((len(cond.get("reference_latents") or ()) for cond in conds.get("positive", ())), default=0)


def _words(found: int) -> str:
    return "no reference latent" if not found else "the photo's alone"


def _tell(sentence: str, node_id: str | None) -> None:
    logging.warning(sentence)
    if node_id is not None:
        say_under_node(sentence, node_id)
