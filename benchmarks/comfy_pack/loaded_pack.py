"""The parts of the pack that this ComfyUI has loaded."""

import sys
from typing import Any, NamedTuple

import torch
from comfy.model_patcher import ModelPatcher

import nodes


class LoadedPack(NamedTuple):
    """Parts of the loaded pack: its MoE Apply, an opened expert file, and a function that makes random styles."""

    moe_apply: type
    expert: Any
    style: Any

    def apply(self, model: ModelPatcher, seed: int, **placement: Any) -> ModelPatcher:
        """The model with a random style; `placement` holds optional inputs of MoE Apply."""
        return self.moe_apply.execute(model, self.expert, 1.0, self.style(seed), **placement).args[0]


def loaded_pack(expert_path: str) -> LoadedPack:
    """The parts of the pack that this ComfyUI has loaded."""
    moe_apply = nodes.NODE_CLASS_MAPPINGS["StyleRoute_MoEApply"]
    module = sys.modules[moe_apply.__module__]
    expert = module.StyleExpert.open(expert_path)

    def style(seed: int) -> Any:
        embedding = torch.randn(1, expert.config.cond_dim, generator=torch.Generator().manual_seed(seed))
        return module.Style(embedding, num_references=1, encoder_id="")

    return LoadedPack(moe_apply, expert, style)


def module_with(node: str, function: str) -> Any:
    """The loaded pack's module that defines a function which the module of a node imports."""
    module = sys.modules[nodes.NODE_CLASS_MAPPINGS[node].__module__]
    return sys.modules[getattr(module, function).__module__]
