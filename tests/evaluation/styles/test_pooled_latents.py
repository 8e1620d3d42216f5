import torch
from PIL import Image
from styleroute.evaluation.styles.pooled_latents import pooled_latents, write_collapsed_lora
from styleroute.moe import StyleExpert
from styleroute.training.bases import load_base
from styleroute.training.experts.conditions import PooledLatents
from styleroute.training.experts.examples import make_examples


def test_a_collapsed_lora_changes_the_layers_like_the_routed_experts(write_moe, tmp_path) -> None:
    expert, style = StyleExpert.open(write_moe()), torch.randn(1, 256)
    written = StyleExpert.open(write_collapsed_lora(expert, style, tmp_path / "one.safetensors"))
    assert written.config.kind == "lora"
    expected, found = expert.collapse(style), written.collapse(None)
    assert found.keys() == expected.keys()
    for layer, pair in expected.items():
        torch.testing.assert_close(found[layer].up @ found[layer].down, pair.up @ pair.down)


def test_the_embedding_equals_that_of_the_training(triplets, tmp_path) -> None:
    row, base = triplets[0], load_base("tiny")
    for path in (row.content, row.reference, row.stylised):
        Image.open(path).resize((256, 256)).save(path)
    trained = make_examples([row], base, PooledLatents(), tmp_path / "cache")
    torch.testing.assert_close(pooled_latents(base, row.reference, 256), trained.style([row.reference]))
