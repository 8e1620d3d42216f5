"""Paper and release arithmetic against a float64 formula, over random sizes."""

import tempfile
from pathlib import Path

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from styleroute.moe import ExpertConfig, Router, StyleExpert, save_expert

from .conftest import LAYERS, expert_state
from .reference import delta_weight, logit_gap, relative_error

LAYER = LAYERS[0]


@st.composite
def sizes(draw):
    num_experts = draw(st.integers(1, 9))
    return {
        "num_experts": num_experts,
        "top_k": draw(st.integers(1, num_experts)),
        "rank": draw(st.integers(1, 20)),
        "shared_rank": draw(st.integers(0, 6)),
        "cond_dim": draw(st.integers(1, 40)),
        "d_in": draw(st.integers(1, 33)),
        "d_out": draw(st.integers(1, 33)),
        "seed": draw(st.integers(0, 10**6)),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(sizes(), st.floats(0.1, 32), st.sampled_from(["paper", "release-1"]), st.integers(1, 3), st.floats(-2, 2))
def test_collapse_equals_formula(size, alpha, arithmetic, batch, strength):
    top_k = size.pop("top_k")
    state = expert_state(**size)
    styles = torch.randn(batch, size["cond_dim"], generator=torch.Generator().manual_seed(size["seed"] + 1))
    assume(all(logit_gap(state, LAYER, style) > 1e-3 for style in styles))
    own = {name: size[name] for name in ("num_experts", "rank", "shared_rank", "cond_dim")}
    config = ExpertConfig(kind="style-moe", top_k=top_k, alpha=alpha, routing=arithmetic, **own)
    with tempfile.TemporaryDirectory() as folder:
        save_expert(Path(folder) / "e.safetensors", state, config, None)
        expert = StyleExpert.open(Path(folder) / "e.safetensors")
        for style in styles:
            found = expert.collapse(style[None], strength)[LAYER]
            expected = delta_weight(state, LAYER, style, top_k=top_k, alpha=alpha, arithmetic=arithmetic)
            assert found.up.dtype == found.down.dtype == torch.float32
            assert found.up.shape[1] == found.down.shape[0]
            # The product up @ down runs in float64, so only the pair's own error counts.
            delta = found.up.double() @ found.down.double()
            assert relative_error(delta, strength * expected) <= 1e-5 or delta.abs().max() < 1e-30


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.data(), st.integers(1, 5), st.integers(1, 40))
def test_routing_of_a_batch(num_experts, data, batch, cond_dim):
    top_k = data.draw(st.integers(1, num_experts))
    router = Router(num_experts=num_experts, cond_dim=cond_dim, top_k=top_k)
    style = torch.randn(batch, cond_dim)
    routing = router(style)
    logits = style.double() @ router.weight.detach().double().T
    assert routing.indices.shape == routing.weights.shape == (batch, top_k)
    kept = logits.gather(1, routing.indices)
    assert torch.allclose(routing.weights.double(), kept.softmax(-1), rtol=1e-5, atol=1e-6)
    assert bool((kept.diff(dim=1) <= 1e-6).all())


def test_release_file_has_the_release_arithmetic(tmp_path):
    state = expert_state(rank=8)
    save_file(state, str(tmp_path / "release.safetensors"))
    expert = StyleExpert.open(tmp_path / "release.safetensors")
    assert (expert.config.routing, expert.config.top_k) == ("release-1", 2)
    style = torch.randn(1, 30, generator=torch.Generator().manual_seed(3))
    routing = expert.route(style)[LAYER]
    (w1, w2), first = routing.weights[0].tolist(), routing.indices[0, 0].item()
    stem = f"{LAYER}.lora_layer."
    shared = state[f"{stem}shared_B"][0].double() @ state[f"{stem}shared_A"][0].double()
    routed = state[f"{stem}loraB"][first].double() @ state[f"{stem}loraA"][first].double()
    delta = expert.collapse(style)[LAYER]
    assert relative_error(delta.up @ delta.down, 2 * (w1 * shared + w2 * routed)) <= 1e-5


def test_override_of_the_arithmetic(written):
    state = expert_state(rank=8)
    expert = StyleExpert.open(written(state), routing="paper")
    style = torch.randn(1, 30)
    delta = expert.collapse(style)[LAYER]
    expected = delta_weight(state, LAYER, style[0], top_k=2, alpha=16, arithmetic="paper")
    assert delta.up.shape[1] == 2 + 2 * 8  # r_s + k r
    assert relative_error(delta.up.double() @ delta.down.double(), expected) <= 1e-5


def test_untrained_experts_change_nothing(written):
    state = expert_state()
    state |= {key: torch.zeros_like(weight) for key, weight in state.items() if key.endswith(("loraB", "shared_B"))}
    deltas = StyleExpert.open(written(state)).collapse(torch.randn(1, 30))
    assert all((delta.up @ delta.down).abs().max() == 0 for delta in deltas.values())
