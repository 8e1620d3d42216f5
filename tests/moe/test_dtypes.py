"""Collapse for every dtype of weights that a file may have, in float32 arithmetic, and only with finite numbers."""

import pytest
import torch
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.header import FLOATS, TensorEntry
from styleroute.moe.inspecting import inspect_file

from .conftest import LAYERS, encoder_state, expert_state, lora_state
from .reference import delta_weight, relative_error

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
LAYER, KEY = LAYERS[0], f"transformer.{LAYERS[0]}"
STYLE = torch.randn(1, 30, generator=torch.Generator().manual_seed(4))


def _stored(state, dtype):
    return {key: weight.to(dtype) for key, weight in state.items()}


def test_these_are_all_dtypes_of_weights():
    assert DTYPES.keys() == {name for name in FLOATS if TensorEntry(name, (1,), 0, 1).is_float} == FLOATS


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
def test_routed_experts_collapse_to_the_formula_of_their_stored_numbers(written, dtype):
    state = _stored(expert_state(rank=8), dtype)
    expert = StyleExpert.open(written(state), routing="paper")
    found = expert.collapse(STYLE, strength=1 / 3)
    for layer in LAYERS:
        numbers = {key: weight.double() for key, weight in state.items()}
        expected = delta_weight(numbers, layer, STYLE[0], top_k=2, alpha=16, arithmetic="paper") / 3
        # The factor (16 / 8 * routing weight / 3) is applied in float32, also to weights of fewer bits.
        assert relative_error(found[layer].up.double() @ found[layer].down.double(), expected) <= 1e-6
    assert inspect_file(expert.path).problems == []


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
def test_a_plain_lora_collapses_with_scale_and_strength(written, dtype):
    state = _stored(lora_state(), dtype) | {f"{KEY}.alpha": torch.tensor(1.3)}
    expert = StyleExpert.open(written(state))
    expected = state[f"{KEY}.lora_B.weight"].double() @ state[f"{KEY}.lora_A.weight"].double() * 1.3 / 4
    for strength in (1.0, 0.35, -2.0):
        pair = expert.collapse(None, strength)[LAYER]
        assert relative_error(pair.up.double() @ pair.down.double(), strength * expected) <= 1e-6


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
def test_an_encoder_of_every_dtype_opens(written, dtype):
    state = _stored(encoder_state(), dtype)
    encoder = StyleExpert.open(written(expert_state()), written(state, "encoder.safetensors")).encoder
    assert torch.equal(encoder.layer_norms["-2"].bias, state["layer_norms.-2.bias"].float())


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e8m0fnu, torch.bool])
def test_other_dtypes_are_refused_when_the_file_opens(written, dtype):
    state = expert_state()
    key = f"{LAYER}.lora_layer.loraA"
    with pytest.raises(StyleExpertError, match="expected floating point"):
        StyleExpert.open(written(state | {key: torch.ones(state[key].shape).to(dtype)}))


@pytest.mark.parametrize("alpha", [1e39, -1e39, 3e38])
def test_a_scale_that_overflows_is_refused(written, alpha):
    text = f'{{"lora_alpha": {alpha}}}'
    with pytest.raises(StyleExpertError, match=f"The change of {LAYER} holds NaN or numbers that float32 cannot hold"):
        StyleExpert.open(written(lora_state(), lora_adapter_metadata=text)).collapse(None)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize("state", [expert_state(rank=8), lora_state()], ids=["routed", "lora"])
def test_a_strength_that_is_not_finite_or_overflows_is_refused(written, state, strength):
    expert = StyleExpert.open(written(state))
    with pytest.raises(StyleExpertError, match="lower the strength"):
        expert.collapse(None if expert.config.is_lora else STYLE, strength)


def test_a_product_that_overflows_is_refused(written):
    state = {key: weight * 1e25 for key, weight in lora_state().items()}
    with pytest.raises(StyleExpertError, match="numbers that float32 cannot hold"):
        StyleExpert.open(written(state)).collapse(None)


def test_numbers_whose_sum_overflows_are_finite(written):
    state = lora_state()
    state[f"{KEY}.lora_A.weight"][:] = torch.finfo(torch.float32).max
    state[f"{KEY}.lora_B.weight"][:] = 0
    pair = StyleExpert.open(written(state)).collapse(None)[LAYER]
    assert torch.equal(pair.down, state[f"{KEY}.lora_A.weight"])
    sixteen = _stored(expert_state(rank=8), torch.float16)
    for key, weight in sixteen.items():
        weight[:] = 60000 if key.endswith("A") else 0
    assert StyleExpert.open(written(sixteen)).collapse(STYLE, 2.0)[LAYER].down.max() > 1e5
    encoder = encoder_state()
    encoder["layer_norms.-2.weight"][:] = torch.finfo(torch.float32).max
    opened = StyleExpert.open(written(expert_state()), written(encoder, "encoder.safetensors"))
    assert torch.equal(opened.encoder.layer_norms["-2"].weight, encoder["layer_norms.-2.weight"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_weights_in_memory_do_not_change_with_the_file(written, dtype):
    """Overwriting a file in place changes no encoder, no gate and no collapsed pair that was read before."""
    experts = written(_stored(expert_state(), dtype))
    encoder_path = written(_stored(encoder_state(), dtype), "encoder.safetensors")
    lora = written(_stored(lora_state(), dtype), "lora.safetensors")
    opened, plain = StyleExpert.open(experts, encoder_path), StyleExpert.open(lora)
    kept = [*opened.encoder.state_dict().values(), *(routing.weights for routing in opened.route(STYLE).values())]
    kept += [matrix for pair in plain.collapse(None).values() for matrix in (pair.up, pair.down)]
    stored = [part for _, parts in plain.stored_layers() for part in parts.values()]
    before = [tensor.clone() for tensor in [*kept, *stored]]
    for path in (experts, encoder_path, lora):
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        with path.open("r+b") as file:
            file.seek(start)
            file.write(bytes(len(data) - start))
    assert all(torch.equal(now, then) for now, then in zip([*kept, *stored], before, strict=True))
