"""Every bad file or style is refused with one sentence, before any weight is read."""

import json
import struct

import pytest
import torch
from styleroute.moe import ExpertConfig, StyleExpert, StyleExpertError, save_expert

from .conftest import LAYERS, encoder_state, expert_state, lora_state

STEM = f"{LAYERS[0]}.lora_layer."
CONFIG = ExpertConfig("style-moe", 4, 3, 2, 2, 3.0, 30, "paper")


def _refused(path, words, **options):
    with pytest.raises(StyleExpertError, match=words) as caught:
        StyleExpert.open(path, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400


def _raw(tmp_path, content: bytes):
    path = tmp_path / "experts.safetensors"
    path.write_bytes(content)
    return path


def _with_header(tmp_path, header: object, tail: bytes = b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return _raw(tmp_path, struct.pack("<Q", len(text)) + text + tail)


def test_missing_file(tmp_path):
    _refused(tmp_path / "none.safetensors", "cannot be read")


def test_folder(tmp_path):
    _refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_cut_short(written, kept):
    path = written(expert_state())
    path.write_bytes(path.read_bytes()[:kept])
    _refused(path, "cut short")


def test_bytes_after_the_last_tensor(written):
    path = written(expert_state())
    path.write_bytes(path.read_bytes() + b"more")
    _refused(path, "4 bytes follow")


@pytest.mark.parametrize("text", [b"<!DOCTYPE html><html>Sign in</html>", b"hello, this is a text"])
def test_text_file(tmp_path, text):
    _refused(_raw(tmp_path, text), "is a text file")


def test_git_lfs_pointer(tmp_path):
    _refused(_raw(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"), "Git LFS pointer")


@pytest.mark.parametrize("legacy", [False, True])
def test_pickle(tmp_path, legacy):
    torch.save(expert_state(), tmp_path / "e.safetensors", _use_new_zipfile_serialization=not legacy)
    _refused(tmp_path / "e.safetensors", "PyTorch pickle .*`python custom_nodes/.* convert SOURCE TARGET`")


@pytest.mark.parametrize("length", [2**63, 2**40, 20 * 2**20])
def test_hostile_header_length(tmp_path, length):
    _refused(_raw(tmp_path, struct.pack("<Q", length) + b"{}" * 50), "announces a header of")


@pytest.mark.parametrize(
    "header",
    [
        b"{not json",
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        [],
        {"a": 1},
        {"a": {"dtype": "F32", "shape": [1]}},
        {"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]}},
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}},
        {"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"__metadata__": {"styleroute": 1}},
    ],
)
def test_hostile_header(tmp_path, header):
    _refused(_with_header(tmp_path, header, bytes(4)), "is damaged or no safetensors file")


def test_overlapping_tensors(tmp_path):
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    _refused(_with_header(tmp_path, {"a": entry, "b": entry}, bytes(4)), "overlap")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight", "kohya"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.alpha", "kohya"),
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight", "Stable Diffusion"),
        ("diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight", "ComfyUI's own layout"),
        ("double_blocks.0.img_attn.qkv.weight", "ComfyUI's own layout"),
        ("model.diffusion_model.input_blocks.0.0.weight", "whole checkpoint"),
        ("vision_model.embeddings.patch_embedding.weight", "vision model"),
        ("transformer_blocks.0.attn.to_q.weight", "another kind"),
        ("something.else", "unknown kind"),
    ],
)
def test_foreign_file(written, key, kind):
    _refused(written({key: torch.zeros(2, 2)}), kind)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e8m0fnu])
def test_foreign_file_with_rare_dtypes(written, dtype):
    _refused(written({"vision_model.weight": torch.zeros(2, dtype=torch.float32).to(dtype)}), "vision model")


def test_empty_file(written):
    _refused(written({}), "empty file")


def test_foreign_keys_beside_experts(written):
    _refused(written(expert_state() | {"text_encoder.x.lora_A.weight": torch.zeros(2, 2)}), "Stable Diffusion")


def test_layer_that_flux_does_not_have(written):
    _refused(written(lora_state(layers=("mid_block.attn.to_q",))), "'mid_block.attn.to_q' is no linear layer of FLUX")


@pytest.mark.parametrize("stray", ["transformer_blocks.0.ff.linear_in", "single_transformer_blocks.0.attn.to_out"])
def test_a_file_for_flux2_is_refused_even_if_most_layers_fit(written, stray):
    state = lora_state(layers=(*LAYERS, "transformer_blocks.0.attn.to_k", stray))
    _refused(written(state), f"is for FLUX.2: '{stray}' is no linear layer of FLUX.1")


def test_a_file_whose_layers_are_mostly_unknown_is_refused(written):
    _refused(written(lora_state(layers=(LAYERS[0], "a.to_q", "b.to_q"))), "is for another model: 'a.to_q'")


def test_a_left_out_layer_may_have_any_size_but_an_adapted_layer_needs_both_halves(written):
    stray, state = "transformer_blocks.0.attn.gate.lora_layer.", expert_state()
    extra = {f"{stray}loraA": torch.zeros(7, 1, 5)}
    assert StyleExpert.open(written(state | extra)).layers == LAYERS
    del state[f"{STEM}shared_B"]
    _refused(written(state | extra), "lacks 1 of its keys")


def test_two_kinds_in_one(written):
    _refused(written(expert_state() | lora_state()), "mixes routed experts with a plain LoRA")


def test_encoder_in_place_of_experts(written):
    _refused(written(encoder_state()), "style encoder and no experts")


def test_experts_in_place_of_encoder(written):
    path = written(expert_state())
    _refused(path, "holds no style encoder", encoder_path=path)


@pytest.mark.parametrize("part", ["loraA", "loraB", "cond_gate.weight", "shared_A"])
def test_missing_key(written, part):
    state = expert_state()
    del state[STEM + part]
    _refused(written(state), f"lacks 1 of its keys: {STEM}{part}")


def test_all_missing_keys_are_counted(written):
    state = expert_state()
    del state[f"{STEM}loraA"], state[f"{STEM}loraB"]
    _refused(written(state), "lacks 2 of its keys")


def test_lora_without_its_half(written):
    state = lora_state()
    del state[f"transformer.{LAYERS[0]}.lora_B.weight"]
    _refused(written(state), "lacks 1 of its keys")


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        ("loraA", (4, 2, 9)),
        ("loraB", (5, 8, 3)),
        ("loraB", (4, 7, 3)),
        ("shared_A", (2, 2, 9)),
        ("shared_B", (1, 8, 3)),
        ("cond_gate.weight", (4, 31)),
        ("cond_gate.weight", (120,)),
    ],
)
def test_contradicting_shapes(written, part, shape):
    _refused(written(expert_state() | {STEM + part: torch.zeros(shape)}), "contradict each other")


def test_integer_tensors(written):
    _refused(written(expert_state() | {f"{STEM}loraA": torch.zeros(4, 3, 9, dtype=torch.int8)}), "not quantized")


@pytest.mark.parametrize("part", ["loraA", "shared_B", "cond_gate.weight"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(written, part, number):
    state = expert_state()
    state[STEM + part][:] = number
    expert = StyleExpert.open(written(state))
    with pytest.raises(StyleExpertError, match=f"NaN or infinite numbers in {STEM}{part}"):
        expert.collapse(torch.randn(1, 30))


def _header_entry(tmp_path, written, **changes):
    save_expert(tmp_path / "own.safetensors", expert_state(), CONFIG, None)
    entry = {"format": 1, **vars(CONFIG), **changes}
    return written(expert_state(), styleroute=json.dumps(entry))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top_k": 5}, "top_k is 5, but the file has only 4 experts"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": "2"}, "top_k is '2'"),
        ({"num_experts": 6}, "says num_experts = 6, but its tensors have 4"),
        ({"cond_dim": 31}, "says cond_dim = 31"),
        ({"routing": "release-9"}, "routing is 'release-9'"),
        ({"kind": ["style-moe"]}, "kind is"),
        ({"alpha": "16"}, "alpha is '16'"),
        ({"alpha": 10**400}, "expected a finite number"),
        ({"base": ["flux-kontext"]}, "base is"),
        ({"format": 2}, "Update StyleRoute"),
        ({"format": None}, "unreadable"),
        ({"training": [1]}, "unreadable"),
        ({"training": "300 steps"}, "unreadable"),
    ],
)
def test_bad_header_entry(tmp_path, written, changes, words):
    _refused(_header_entry(tmp_path, written, **changes), words)


@pytest.mark.parametrize("encoder", [[1], "taps", 5, {"vision_model": 5}])
def test_bad_header_entry_on_the_encoder(written, encoder):
    state = expert_state() | {f"encoder.{key}": weight for key, weight in encoder_state().items()}
    entry = {"format": 1, **vars(CONFIG), "encoder": encoder}
    _refused(written(state, styleroute=json.dumps(entry)), "The header of .* describes its encoder")


@pytest.mark.parametrize("text", ["[1]", "5", "null", "{", '{"lora_alpha": "x"}', f'{{"lora_alpha": {10**400}}}'])
def test_unreadable_peft_configuration(written, text):
    _refused(written(lora_state(), lora_adapter_metadata=text), "'lora_adapter_metadata' .* is unreadable")


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000])
def test_unreadable_header_entry(written, text):
    _refused(written(expert_state(), styleroute=text), "unreadable")


def test_unknown_arithmetic(written):
    _refused(written(expert_state()), "routing is 'other'", routing="other")


@pytest.mark.parametrize(
    ("style", "words"),
    [
        (torch.zeros(1, 31), "expected .styles, 30."),
        (torch.zeros(30), "got 30 styles"),
        (torch.zeros(2, 30), "got 2 styles"),
        (torch.zeros(0, 30), "got 0 styles"),
        (torch.full((1, 30), float("nan")), "NaN"),
        (None, "got no style"),
    ],
)
def test_bad_style(written, style, words):
    with pytest.raises(StyleExpertError, match=words):
        StyleExpert.open(written(expert_state())).collapse(style)


def test_refused_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "own.safetensors"
    save_expert(path, expert_state(), CONFIG, None)
    before = path.read_bytes()
    with pytest.raises(StyleExpertError, match="contradict"):
        save_expert(path, expert_state() | {f"{STEM}loraA": torch.zeros(1, 1, 1)}, CONFIG, None)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
