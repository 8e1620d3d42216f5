"""`convert` reads PyTorch files by their content, and refuses tensors that the file does not hold number by number."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from styleroute.moe import EncoderConfig, ExpertConfig, StyleExpert, StyleExpertError, save_encoder, save_expert
from styleroute.moe.converting import convert

from .conftest import encoder_state, expert_state, lora_state
from .pickle_bombs import PICKLE_BOMBS, saved, write_bombs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns when it makes rare tensors
LIMITED = Path(__file__).with_name("limited_memory.py")
WORDS = {
    "expanded": "is an expanded tensor of 2,999,999,997 numbers",
    "expanded, legacy": "is an expanded tensor of 2,999,999,997 numbers",
    "sparse": "is sparse",
    "sparse rows": "is sparse",
    "quantised": "is quantised",
    "meta": "has no numbers",
    "empty": "is empty",
    "integers": "expected floating point",
    "complex": "expected floating point",
    "deflated": "is a compressed archive",
    "a list": "holds no state dict of tensors",
}


@pytest.mark.parametrize("name", PICKLE_BOMBS)
def test_a_pickle_without_plain_numbers_is_refused(tmp_path, name):
    (tmp_path / "x.pt").write_bytes(PICKLE_BOMBS[name]())
    with pytest.raises(StyleExpertError, match=WORDS.get(name, "cannot be read as a PyTorch file")) as caught:
        convert(tmp_path / "x.pt", tmp_path / "x.safetensors")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads and limits the memory of a process by /proc")
def test_hostile_pickles_need_no_memory(tmp_path):
    write_bombs(tmp_path)
    command = [sys.executable, str(LIMITED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["refused"] == len(PICKLE_BOMBS)


def lora_of_one_tensor(layers: int) -> dict[str, torch.Tensor]:
    """A LoRA of rank 100 whose matrices are all the same memory."""
    shared = torch.zeros(100, 100)
    names = [f"transformer_blocks.{number}.attn.to_q" for number in range(layers)]
    return {f"{name}.lora_{part}.weight": shared for name in names for part in "AB"}


def test_tensors_may_not_need_more_bytes_than_the_file(tmp_path):
    torch.save(lora_of_one_tensor(19), tmp_path / "x.pt")
    with pytest.raises(StyleExpertError, match="they share their numbers"):
        convert(tmp_path / "x.pt", tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["x.PT", "x.pkl", "x.safetensors", "x"])
@pytest.mark.parametrize("content", ["zip", "legacy", "safetensors"])
def test_the_content_decides_how_a_file_is_read(tmp_path, name, content):
    files = {"zip": saved(torch.zeros(4, 9)), "safetensors": save(lora_state())}
    files["legacy"] = saved(torch.zeros(4, 9), _use_new_zipfile_serialization=False)
    (tmp_path / name).write_bytes(files[content])
    assert StyleExpert.open(convert(tmp_path / name, tmp_path / "ours.safetensors")).config.is_lora


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_is_no_pytorch_file_is_one_sentence(tmp_path, protocol):
    (tmp_path / "x.pt").write_bytes(pickle.dumps({"weight": [1.0]}, protocol))
    with pytest.raises(StyleExpertError, match="PyTorch file"):
        convert(tmp_path / "x.pt", tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "whole", [saved(torch.zeros(4, 9)), saved(torch.zeros(4, 9), _use_new_zipfile_serialization=False)]
)
def test_any_damaged_pickle_is_read_or_refused_with_a_sentence(tmp_path_factory, whole):
    folder = tmp_path_factory.mktemp("damaged")

    @given(st.integers(0, len(whole) - 1), st.integers(0, 9), st.binary(max_size=6))
    def check(position, removed, inserted):
        (folder / "x.pt").write_bytes(whole[:position] + inserted + whole[position + removed :])
        try:
            convert(folder / "x.pt", folder / "ours.safetensors")
        except StyleExpertError as error:
            str(error).encode("utf-8")

    check()


CONFIG = ExpertConfig("style-moe", 4, 3, 2, 2, 3.0, 30, "paper")
ENCODER = EncoderConfig((-5, -2, -3), 2, 7, 6, 5, 30, vision_model="mine.safetensors")


def test_convert_keeps_the_order_of_the_taps_and_the_vision_model(tmp_path):
    save_file(expert_state(), tmp_path / "experts.safetensors")
    save_encoder(tmp_path / "encoder.safetensors", encoder_state(), ENCODER)
    save_expert(tmp_path / "both.safetensors", expert_state(), CONFIG, encoder_state(), ENCODER)
    target = tmp_path / "ours.safetensors"
    for source, encoder in (("experts", "encoder"), ("experts", "both"), ("both", None), ("both", "encoder")):
        convert(tmp_path / f"{source}.safetensors", target, encoder and tmp_path / f"{encoder}.safetensors")
        assert StyleExpert.open(target).encoder_config == ENCODER


def test_convert_of_an_encoder_keeps_its_description(tmp_path):
    save_encoder(tmp_path / "encoder.safetensors", encoder_state(), ENCODER, training={"steps": 3})
    convert(tmp_path / "encoder.safetensors", tmp_path / "copy.safetensors")
    save_file(expert_state(), tmp_path / "experts.safetensors")
    opened = StyleExpert.open(tmp_path / "experts.safetensors", encoder_path=tmp_path / "copy.safetensors")
    assert opened.encoder_config == ENCODER


def test_convert_deletes_no_file_of_the_user(tmp_path):
    names = [f"ours.safetensors{end}" for end in (".draft", ".part", ".partial", ".tmp")]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / "x.pt").write_bytes(saved(torch.zeros(4, 9)))
    convert(tmp_path / "x.pt", tmp_path / "ours.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "ours.safetensors", "x.pt"])
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}
