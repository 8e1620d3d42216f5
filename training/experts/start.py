"""Experts that a training starts from: an expert file of an earlier training, or a published one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import TrainingError
from ...moe import StyleExpert
from .conditions import StyleCondition
from .config import ExpertModel
from .routed_linear import AdapterConfig, RoutedLinear

SIZES = {"num_experts": "experts", "rank": "rank", "shared_rank": "shared_rank", "top_k": "top_k",
         "alpha": "alpha", "routing": "routing"}  # fmt: skip
"""Sizes by their names in an expert file, and in `AdapterConfig`. Without cond_dim, which the style encoder sets."""


@dataclass(frozen=True)
class StartExperts:
    """An expert file whose weights a new adapter starts from. `open_start` opens it.

    Attributes:
        expert: the opened file.
        identity: digest of the file; a run resumes only with the file that it started with.
    """

    expert: StyleExpert
    identity: str

    def load_into(self, routed: Mapping[str, RoutedLinear]) -> None:
        """Copy the file's weights, layer by layer.

        Args:
            routed: the adapted layers, those of `require_layers`.

        Raises:
            StyleExpertError: the file is no longer readable, or a weight is not finite.
        """
        with torch.no_grad():
            for name, stored in self.expert.stored_layers():
                layer = routed[name]
                own = dict(layer.named_parameters())
                for part, weight in _parts(stored, self.expert.scale_of(name), layer.config).items():
                    own[part].copy_(weight)

    def require_layers(self, transformer: nn.Module) -> frozenset[str]:
        """The layers of the file, which the training adapts. Other layers of the base model stay as they are.

        Raises:
            TrainingError: the base model lacks one of these layers, or has it in another size.
        """
        linear = {
            name: (module.out_features, module.in_features)
            for name, module in transformer.named_modules()
            if isinstance(module, nn.Linear)
        }
        for name, shape in self.expert.layer_shapes.items():
            if linear.get(name) != tuple(shape):
                raise TrainingError(
                    f"{self.expert.path} has {tuple(shape)} for the layer {name}, the base model has "
                    f"{linear.get(name, 'nothing')}. Give --start with experts of this base model"
                )
        return frozenset(self.expert.layer_shapes)


def all_steps(training: Mapping[str, Any]) -> int:
    """Training steps of an expert file, including the files that it started from; 0 if the file does not record them.

    Args:
        training: the file's training summary.
    """
    return training.get("steps", 0) + training.get("steps_before", 0)


def open_start(model: ExpertModel, condition: StyleCondition | None, base: str) -> StartExperts | None:
    """Open the expert file `start`; None if the experts start untrained.

    Args:
        model: the options of the model.
        condition: the input of the routers.
        base: name of the base model.

    Raises:
        StyleExpertError: the file is no whole expert file.
        TrainingError: the experts have other sizes, another base model, or another style encoder.
    """
    if model.start is None:
        return None
    expert = StyleExpert.open(model.start)
    _require_sizes(expert, model.adapter)
    if expert.config.base != base:
        raise TrainingError(
            f"{expert.path} is for the base model {expert.config.base!r}, this run trains {base!r}. Give --start with "
            "experts of this base model"
        )
    _require_same_condition(expert, model, condition)
    with model.start.open("rb") as file:
        return StartExperts(expert, hashlib.file_digest(file, "sha256").hexdigest())


def _require_sizes(expert: StyleExpert, adapter: AdapterConfig) -> None:
    if (expert.config.is_lora) != (adapter.experts == 0):
        kinds = ("one plain LoRA", "routed experts")
        found, wanted = kinds if expert.config.is_lora else kinds[::-1]
        raise TrainingError(
            f"{expert.path} contains {found}, this run trains {wanted}: give another --start or --preset"
        )
    if len(ranks := sorted(set(expert.layer_ranks.values()))) > 1:
        raise TrainingError(
            f"{expert.path} has layers of rank {ranks[0]} to {ranks[-1]}, but a training has one rank. Give another "
            "--start"
        )
    # The file of a plain LoRA has only a rank; its scale is part of B.
    names = SIZES if adapter.experts else {"rank": "shared_rank"}
    for theirs, ours in names.items():
        found, wanted = getattr(expert.config, theirs), getattr(adapter, ours)
        if found != wanted:
            option = f"--adapter.{ours.replace('_', '-')} {found}"
            raise TrainingError(
                f"{expert.path} has {theirs} {found}, this run has {wanted}: give {option}, or another --start"
            )


def _require_same_condition(expert: StyleExpert, model: ExpertModel, condition: StyleCondition | None) -> None:
    recorded = (expert.training or {}).get("condition", model.condition)
    if recorded != model.condition:
        raise TrainingError(
            f"{expert.path} has the condition {recorded!r}, this run has {model.condition!r}: give --condition "
            f"{recorded}, or another --start"
        )
    if condition is None:
        return
    if expert.config.cond_dim != condition.width:
        raise TrainingError(
            f"the routers in {expert.path} read {expert.config.cond_dim} numbers per style, but "
            f"{model.encoder or 'pooled latents'} has {condition.width}: {_remedy(expert, condition)}"
        )
    if condition.encoder is None or expert.encoder_config is None:
        return
    theirs, ours = expert.encoder.state_dict(), condition.encoder.state_dict()
    if theirs.keys() != ours.keys() or not all(torch.equal(theirs[name], ours[name].cpu()) for name in ours):
        raise TrainingError(
            f"the routers in {expert.path} were trained on another style encoder than {model.encoder}: "
            f"{_remedy(expert, condition)}"
        )


def _remedy(expert: StyleExpert, condition: StyleCondition) -> str:
    """The end of an error message: how to give the routers the input that they were trained on."""
    if condition.encoder is None:
        return "give another --start"
    if expert.encoder_config is None:
        return "give the --encoder that these experts were trained with, or another --start"
    return f"give --encoder {expert.path}"


def _parts(stored: Mapping[str, Tensor], scale: float, adapter: AdapterConfig) -> dict[str, Tensor]:
    """Weights of a layer by the names of `RoutedLinear`'s parameters; `scale` is the file's scale of the layer."""
    if adapter.experts:
        return {name.removeprefix("lora_layer."): weight for name, weight in stored.items()}
    up = stored["lora_B.weight"] * (scale / adapter.scale)
    return {"shared_A": stored["lora_A.weight"][None], "shared_B": up[None]}
