"""Experts that a training goes on from: a file of before, our own or a published one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import TrainingError
from ...moe import StyleExpert
from ..bases import Base
from .conditions import StyleCondition
from .config import ExpertsTrainConfig
from .routed_linear import AdapterConfig, RoutedLinear

SIZES = {"num_experts": "experts", "rank": "rank", "shared_rank": "shared_rank", "top_k": "top_k",
         "alpha": "alpha", "routing": "routing"}  # fmt: skip
"""An expert file's names for the adapter's, but for cond_dim, which no option sets: the encoder does."""


@dataclass(frozen=True)
class Start:
    """An expert file whose weights a new adapter takes over. Made by `open_start`.

    Attributes:
        identity: digest of the file, as a run goes on only from the weights that it began with.
    """

    expert: StyleExpert
    identity: str

    def load_into(self, routed: Mapping[str, RoutedLinear]) -> None:
        """Copy the file's weights, layer by layer.

        Raises:
            TrainingError: it adapts other layers, or layers of other sizes.
            StyleExpertError: it cannot be read any more, or a weight is not finite.
        """
        self._require_layers(routed)
        with torch.no_grad():
            for name, stored in self.expert.stored_layers():
                layer = routed[name]
                own = dict(layer.named_parameters())
                for part, weight in _parts(stored, self.expert, layer.config).items():
                    own[part].copy_(weight)

    def _require_layers(self, routed: Mapping[str, RoutedLinear]) -> None:
        found = dict(self.expert.layer_shapes)
        wanted = {name: (layer.base.out_features, layer.base.in_features) for name, layer in routed.items()}
        if found == wanted:
            return
        other = next(name for name in (*wanted, *found) if found.get(name) != wanted.get(name))
        raise TrainingError(
            f"{self.expert.path} has {found.get(other, 'nothing')} for the layer {other}, the base "
            f"{wanted.get(other, 'nothing')}: give experts of this base as --start"
        )


def all_steps(training: Mapping[str, Any]) -> int:
    """Of an expert file's training, with those of the files that it began with; 0 where it does not tell."""
    return training.get("steps", 0) + training.get("steps_before", 0)


def open_start(config: ExpertsTrainConfig, condition: StyleCondition | None, base: Base) -> Start | None:
    """The file that ``config.start`` names; None for a training from nothing.

    Raises:
        StyleExpertError: it is no whole expert file.
        TrainingError: its experts are of other sizes, of another base, or routed by another encoder.
    """
    if config.start is None:
        return None
    expert = StyleExpert.open(config.start)
    _require_sizes(expert, config.adapter)
    if expert.config.base != base.name:
        raise TrainingError(
            f"{expert.path} changes {expert.config.base!r}, this run {base.name!r}: give experts of this base as "
            "--start"
        )
    _require_same_condition(expert, config, condition)
    with config.start.open("rb") as file:
        return Start(expert, hashlib.file_digest(file, "sha256").hexdigest())


def _require_sizes(expert: StyleExpert, adapter: AdapterConfig) -> None:
    if (expert.config.is_lora) != (adapter.experts == 0):
        kinds = ("one plain LoRA", "routed experts")
        found, wanted = kinds if expert.config.is_lora else kinds[::-1]
        raise TrainingError(f"{expert.path} holds {found}, this run trains {wanted}: give another --start or --preset")
    # A plain LoRA's file says its rank; the scale is within its B.
    names = SIZES if adapter.experts else {"rank": "shared_rank"}
    for theirs, ours in names.items():
        found, wanted = getattr(expert.config, theirs), getattr(adapter, ours)
        if found != wanted:
            option = f"--adapter.{ours.replace('_', '-')} {found}"
            raise TrainingError(
                f"{expert.path} has {theirs} {found}, this run {wanted}: give {option}, or another --start"
            )


def _require_same_condition(expert: StyleExpert, config: ExpertsTrainConfig, condition: StyleCondition | None) -> None:
    told = (expert.training or {}).get("condition", config.condition)
    if told != config.condition:
        raise TrainingError(f"{expert.path} has the condition {told!r}, this run {config.condition!r}: give the same")
    if condition is None:
        return
    if expert.config.cond_dim != condition.width:
        raise TrainingError(
            f"the routers in {expert.path} read {expert.config.cond_dim} numbers of a style, this run's "
            f"{condition.width}, those of {config.encoder or 'pooled latents'}: {_remedy(expert, condition)}"
        )
    if condition.encoder is None or expert.encoder_config is None:
        return
    theirs, ours = expert.encoder.state_dict(), condition.encoder.state_dict()
    if theirs.keys() != ours.keys() or not all(torch.equal(theirs[name], ours[name].cpu()) for name in ours):
        raise TrainingError(
            f"the routers in {expert.path} were trained on another style encoder than {config.encoder}: "
            f"{_remedy(expert, condition)}"
        )


def _remedy(expert: StyleExpert, condition: StyleCondition) -> str:
    """How routers get what they were trained to read."""
    if condition.encoder is None:
        return "give another --start"
    if expert.encoder_config is None:
        return "give the --encoder that these experts were trained with, or another --start"
    return f"give --encoder {expert.path}"


def _parts(stored: Mapping[str, Tensor], expert: StyleExpert, adapter: AdapterConfig) -> dict[str, Tensor]:
    """A layer's tensors by the names of `RoutedLinear`'s parameters."""
    if adapter.experts:
        return {name.removeprefix("lora_layer."): weight for name, weight in stored.items()}
    up = stored["lora_B.weight"] * (expert.config.scale / adapter.scale)
    return {"shared_A": stored["lora_A.weight"][None], "shared_B": up[None]}
