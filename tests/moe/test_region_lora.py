"""A region LoRA against PEFT's own merge."""

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from styleroute.moe import StyleExpert, StyleExpertError
from torch import nn

from .conftest import LAYERS, lora_state


class _Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.ModuleDict({"to_q": nn.Linear(9, 8), "to_k": nn.Linear(9, 7)})


def _peft_model(alpha: int):
    torch.manual_seed(0)
    base = nn.ModuleDict({"transformer_blocks": nn.ModuleList([_Block(), _Block()])})
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=alpha, target_modules=["to_q", "to_k"]))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight)
    return model


@pytest.mark.parametrize("alpha", [4, 6])
def test_equals_peft_merge(written, alpha):
    model = _peft_model(alpha)
    state = get_peft_model_state_dict(model)
    state = {key.replace("base_model.model.", "transformer."): weight.clone() for key, weight in state.items()}
    before = {name: module.base_layer.weight.clone() for name, module in _adapted(model)}
    # Without the header entry, alpha is r; with the entry, alpha is diffusers' value.
    entry = {"lora_adapter_metadata": f'{{"transformer.lora_alpha": {alpha}}}'} if alpha != 4 else {}
    deltas = StyleExpert.open(written(state, **entry)).collapse(None)
    model.merge_adapter()
    after = {name: module.base_layer.weight for name, module in _adapted(model)}
    assert deltas.keys() == before.keys()
    for layer, delta in deltas.items():
        merged = after[layer].detach() - before[layer]
        assert (delta.up @ delta.down - merged).abs().max() <= 1e-5 * after[layer].abs().max()


def _adapted(model):
    return [
        (name.replace("base_model.model.", ""), module)
        for name, module in model.named_modules()
        if hasattr(module, "base_layer")
    ]


def test_configuration(written):
    expert = StyleExpert.open(written(lora_state(), "line-art.safetensors"))
    assert (expert.config.kind, expert.config.rank, expert.config.alpha) == ("lora", 4, 4.0)
    assert expert.layers == LAYERS[:1]
    assert expert.encoder_config is None
    with pytest.raises(StyleExpertError, match="holds no style encoder"):
        _ = expert.encoder
    with pytest.raises(StyleExpertError, match="no experts to route to"):
        expert.route(torch.zeros(1, 1))


def test_override_of_the_arithmetic_is_ignored(written):
    expert = StyleExpert.open(written(lora_state()), routing="release-1")
    assert expert.config.routing == "paper"
