"""A small hostile header costs no memory and no time, and becomes one sentence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.converting import convert
from styleroute.moe.header import MAX_TENSORS, read_header
from styleroute.moe.inspecting import inspect_file

from .conftest import LAYERS, encoder_state, expert_state, lora_state
from .header_bombs import BOMBS, KEY, file_with_header, many_tensors

LIMITED = Path(__file__).with_name("limited_memory.py")


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(StyleExpertError) as caught:
        read_header(path)
    return str(caught.value)


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_bomb_is_refused(tmp_path, name):
    (path := tmp_path / "x.safetensors").write_bytes(BOMBS[name])
    with pytest.raises(StyleExpertError) as caught:
        StyleExpert.open(path, encoder_path=path)
    sentence = str(caught.value)
    assert inspect_file(path).problems
    assert "\n" not in sentence
    assert len(sentence) < 400


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads and limits the memory of a process by /proc")
def test_header_bombs_need_no_memory(tmp_path):
    for number, content in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.safetensors").write_bytes(content)
    command = [sys.executable, str(LIMITED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"inspected": len(BOMBS), "refused": len(BOMBS)}


def test_the_largest_number_of_tensors_is_read(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(many_tensors(MAX_TENSORS, [1], 1))
    assert len(read_header(tmp_path / "x.safetensors").tensors) == MAX_TENSORS
    assert "expected at most" in refusal(tmp_path / "x.safetensors", many_tensors(MAX_TENSORS + 1, [1], 1))


TOKENS = rb"""0 999999 - 1e9 null NaN [ ] { } " \ud800 \u001b , :""".split()
"""Pieces of JSON that the fuzzer puts into a header."""
ENTRY = '{"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'


@pytest.mark.parametrize(
    "header",
    [
        f'{{"a": {ENTRY}, "__metadata__": {{"x": NaN}}}}',
        f'{{"a": {ENTRY[:-1]}, "more": Infinity}}}}',
        f'{{"a": {ENTRY}, "a": {ENTRY}}}',
        f' {{"a": {ENTRY}}}',
        f'\ufeff{{"a": {ENTRY}}}',
        f'{{"\\ud800": {ENTRY}}}',
        f'{{"a": {ENTRY}, "__metadata__": {{"x": "\\udfff"}}}}',
    ],
)
def test_json_that_only_python_reads_is_refused(tmp_path, header):
    assert "is damaged" in refusal(tmp_path / "x.safetensors", file_with_header(header.encode(), bytes(4)))


def test_a_pair_of_surrogates_is_one_character(tmp_path):
    content = file_with_header(f'{{"\\ud83c\\udfa8": {ENTRY}}}'.encode(), bytes(4))
    (tmp_path / "x.safetensors").write_bytes(content)
    assert list(read_header(tmp_path / "x.safetensors").tensors) == ["🎨"]


PLAIN_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
SHAPES = st.lists(st.integers(-1, 4) | PLAIN_VALUES, max_size=10)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "F8_E4M3", "U8", "F4"]) | PLAIN_VALUES,
        "shape": SHAPES | PLAIN_VALUES,
        "data_offsets": st.lists(st.integers(0, 16), min_size=2, max_size=2) | SHAPES | PLAIN_VALUES,
    },
)
KEYS = st.sampled_from([KEY, f"{LAYERS[0]}.lora_layer.loraA", "embedding_linears.-2.0.weight", "__metadata__"])
HEADERS = st.dictionaries(KEYS | st.text(st.characters(), max_size=8), ENTRIES | PLAIN_VALUES, max_size=4)


@given(header=HEADERS, num_bytes=st.integers(0, 16))
def test_any_header_is_read_or_refused_with_a_sentence(tmp_path_factory, header, num_bytes):
    text = json.dumps(header).encode()
    check_any_file(tmp_path_factory.getbasetemp() / "fuzzed.safetensors", file_with_header(text, bytes(num_bytes)))


@pytest.mark.parametrize("state", [expert_state(), lora_state(), encoder_state()], ids=["experts", "lora", "encoder"])
def test_any_damaged_file_is_read_or_refused_with_a_sentence(tmp_path_factory, state):
    whole = save(state, metadata={"styleroute": '{"format": 1}', "lora_adapter_metadata": '{"lora_alpha": 4}'})

    @settings(max_examples=300)
    @given(st.integers(0, len(whole) - 1), st.integers(0, 9), st.binary(max_size=6) | st.sampled_from(TOKENS))
    def check(position, removed, inserted):
        content = whole[:position] + inserted + whole[position + removed :]
        check_any_file(tmp_path_factory.getbasetemp() / "damaged.safetensors", content)

    check()


def check_any_file(path: Path, content: bytes) -> None:
    """The file is opened and inspected; the only possible error is a StyleExpertError that can be logged."""
    path.write_bytes(content)
    "\n".join(inspect_file(path).lines()).encode("utf-8")
    for read in (StyleExpert.open, lambda source: convert(source, source.with_name("converted.safetensors"))):
        try:
            read(path)
        except StyleExpertError as error:
            str(error).encode("utf-8")
