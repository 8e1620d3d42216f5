"""The formulas of the paper and of its release in float64, written without the package."""

import torch
from torch import Tensor


def delta_weight(state: dict[str, Tensor], layer: str, style: Tensor, *, top_k: int, alpha: float, arithmetic: str):
    """Change [out, in] of the layer's weight by the mixture, for one style [cond_dim]."""
    part = {key.split("lora_layer.")[1]: weight.double() for key, weight in state.items() if f"{layer}." in key}
    rank = part["loraA"].shape[1]
    logits = part["cond_gate.weight"] @ style.double()
    kept = sorted(range(len(logits)), key=lambda i: -logits[i].item())[:top_k]
    exps = torch.tensor([logits[i].item() for i in kept], dtype=torch.float64).exp()
    weights = (exps / exps.sum()).tolist()
    experts = [part["loraB"][i] @ part["loraA"][i] for i in kept]
    shared = part["shared_B"][0] @ part["shared_A"][0] if "shared_A" in part else None
    if arithmetic == "paper":
        total = sum(w * expert for w, expert in zip(weights, experts, strict=True))
        return alpha / rank * (total if shared is None else total + shared)
    if shared is not None:
        experts, weights = [shared, *experts], [*weights, 0.0]
    return (16 // rank) * sum(w * expert for w, expert in zip(weights, experts, strict=True))


def logit_gap(state: dict[str, Tensor], layer: str, style: Tensor) -> float:
    """The smallest distance between two logits; below float32's accuracy the top-k choice is arbitrary."""
    gate = next(weight for key, weight in state.items() if key.endswith(f"{layer}.lora_layer.cond_gate.weight"))
    logits = (gate.double() @ style.double()).sort().values
    return float(logits.diff().min()) if len(logits) > 1 else 1.0


def encode(state: dict[str, Tensor], taps: tuple[int, ...], states: Tensor, *, activated: bool = True) -> Tensor:
    """Style embedding [B, cond_dim] for states [B, L, T, D], computed token by token."""
    state, pooled = {key: weight.double() for key, weight in state.items()}, []
    for tap in taps:
        h = states[:, tap].double()  # [B, T, D]
        x = torch.einsum("qt,btd->bqd", state[f"embedding_linears.{tap}.0.weight"], h)
        x = x + state[f"embedding_linears.{tap}.0.bias"][:, None]
        x = x * torch.sigmoid(x)
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = x * state[f"layer_norms.{tap}.weight"] + state[f"layer_norms.{tap}.bias"]
        weights = [key for key in state if key.startswith(f"projections.{tap}.") and key.endswith("weight")]
        for number, key in enumerate(sorted(weights)):
            if number and activated:
                x = x * torch.sigmoid(x)
            x = torch.einsum("pd,bqd->bqp", state[key], x) + state[key.replace("weight", "bias")]
        pooled.append(x)
    e = torch.cat(pooled, dim=1).flatten(1)
    if "post_projection.weight" in state:
        e = e @ state["post_projection.weight"].T + state["post_projection.bias"]
    return e


def relative_error(found: Tensor, expected: Tensor) -> float:
    """The largest difference divided by the largest expected number."""
    return float((found.double() - expected).abs().max() / expected.abs().max().clamp_min(1e-300))
