"""Conversion of published files, and the report of `inspect`."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from styleroute.moe import ExpertConfig, StyleExpert, StyleExpertError, save_expert
from styleroute.moe.converting import convert
from styleroute.moe.inspecting import inspect_file

from .conftest import LAYERS, encoder_state, expert_state, lora_state

STYLE = torch.randn(1, 30, generator=torch.Generator().manual_seed(4))


class _Code:
    def __reduce__(self):
        return print, ("this must not run",)


def _same_deltas(one: StyleExpert, other: StyleExpert, style=STYLE) -> bool:
    left, right = one.collapse(style), other.collapse(style)
    return all(torch.equal(left[layer].up, right[layer].up) for layer in left) and left.keys() == right.keys()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_release_pair(tmp_path, suffix):
    experts, encoder = tmp_path / f"experts{suffix}", tmp_path / f"encoder{suffix}"
    save = torch.save if suffix == ".pt" else save_file
    save(expert_state(prefix="transformer."), experts)
    save({f"proj_model.{key}": weight for key, weight in encoder_state().items()}, encoder)
    target = convert(experts, tmp_path / "ours.safetensors", encoder)
    ours = StyleExpert.open(target)
    save_file(expert_state(), tmp_path / "plain.safetensors")
    assert _same_deltas(ours, StyleExpert.open(tmp_path / "plain.safetensors"))
    assert (ours.config.routing, ours.encoder_config.cond_dim) == ("release-1", 30)
    assert inspect_file(target).problems == []


def test_encoder_pickle(tmp_path):
    torch.save({"state_dict": {f"proj_model.{key}": w for key, w in encoder_state().items()}}, tmp_path / "e.pt")
    convert(tmp_path / "e.pt", tmp_path / "e.safetensors")
    assert load_file(tmp_path / "e.safetensors").keys() == encoder_state().keys()


def test_region_lora_pickle(tmp_path, written):
    torch.save(lora_state(), tmp_path / "line-art.pt")
    ours = StyleExpert.open(convert(tmp_path / "line-art.pt", tmp_path / "line-art.safetensors"))
    assert _same_deltas(ours, StyleExpert.open(written(lora_state())), style=None)


def test_pickled_code_does_not_run(tmp_path, capsys):
    torch.save({"weight": _Code()}, tmp_path / "evil.pt")
    with pytest.raises(StyleExpertError, match="not unpickled for safety"):
        convert(tmp_path / "evil.pt", tmp_path / "x.safetensors")
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "target", "encoder", "words"),
    [
        ("experts.safetensors", "x.pt", None, "expected a name that ends in .safetensors"),
        ("experts.safetensors", "experts.safetensors", None, "is also an input file"),
        ("experts.safetensors", "none/x.safetensors", None, "does not exist"),
        ("experts.safetensors", "x.safetensors", "experts.safetensors", "holds no style encoder"),
        ("experts.safetensors", "x.safetensors", "wide.safetensors", "gives 45 numbers"),
        ("encoder.safetensors", "x.safetensors", "encoder.safetensors", "is a style encoder, expected an expert file"),
        ("foreign.safetensors", "x.safetensors", None, "kohya"),
        ("text.pt", "x.safetensors", None, "text.pt is a text file"),
        ("absent.pt", "x.safetensors", None, "absent.pt cannot be read .No such file"),
        ("list.pt", "x.safetensors", None, "no state dict"),
    ],
)
def test_refusals(tmp_path, source, target, encoder, words):
    save_file(expert_state(), tmp_path / "experts.safetensors")
    save_file(encoder_state(), tmp_path / "encoder.safetensors")
    save_file(encoder_state(queries=3), tmp_path / "wide.safetensors")
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "text.pt").write_text("hello, this is a text")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StyleExpertError, match=words):
        convert(tmp_path / source, tmp_path / target, encoder and tmp_path / encoder)
    assert sorted(tmp_path.iterdir()) == before


def test_report_on_a_release_file(written):
    report = inspect_file(written(expert_state(rank=8)))
    assert (report.kind, report.own_format, report.layers) == ("style-moe", False, LAYERS)
    text = "\n".join(report.lines())
    for words in ("release layout", "4 of rank 8", "16 // 8 = 2", "transformer_blocks.attn.to_q", "no problem found"):
        assert words in text


def test_report_on_an_encoder(written):
    report = inspect_file(written(encoder_state(projections=(11, 5), places=(0, 2))))
    assert report.kind == "style-encoder"
    assert "6 -> 11 -> 5" in "\n".join(report.lines())
    assert report.problems == []


def test_report_on_a_region_lora(written):
    assert "one LoRA of rank 4, alpha 4" in inspect_file(written(lora_state())).lines()


def test_report_on_a_file_with_a_training_summary(tmp_path):
    config = ExpertConfig(kind="style-moe", num_experts=4, rank=2, shared_rank=2, top_k=2, alpha=4.0, cond_dim=30)
    for reference in (True, False):
        training = {"steps": 360, "style_reference": reference}
        save_expert(tmp_path / "x.safetensors", expert_state(rank=2), config, None, training=training)
        text = "\n".join(inspect_file(tmp_path / "x.safetensors").lines())
        assert f"training: steps 360, style_reference {reference}" in text
        assert ("add a second Reference Latent" in text) == reference


def test_report_on_nan(written):
    state = expert_state()
    state[f"{LAYERS[0]}.lora_layer.loraA"][3, 0, 0] = float("nan")
    assert "NaN" in inspect_file(written(state)).problems[0]


def test_report_on_a_scale_of_zero(written):
    assert "scale 16 // r is 0" in inspect_file(written(expert_state(rank=17))).problems[0]


def test_report_on_a_text(tmp_path):
    (tmp_path / "x.safetensors").write_text("hello, this is a text")
    report = inspect_file(tmp_path / "x.safetensors")
    assert report.lines() == ["x.safetensors: unknown", f"problem: {report.problems[0]}"]
