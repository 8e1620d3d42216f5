"""A file that changes after it was opened, or that is no regular file, is one sentence, and no crash."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from styleroute.errors import StorageError
from styleroute.moe import StyleExpert, StyleExpertError, save_expert
from styleroute.moe.converting import convert
from styleroute.moe.expert import open_encoder
from styleroute.moe.header import read_header
from styleroute.moe.inspecting import inspect_file
from styleroute.moe.saving import write_atomically
from styleroute.moe.weight_file import WeightFile
from styleroute.storage.whole_file import whole_file

from .conftest import LAYERS, encoder_state, expert_state, lora_state

STYLE = torch.randn(1, 30, generator=torch.Generator().manual_seed(4))
KEY = f"{LAYERS[0]}.lora_layer.loraA"
POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replaced_by_another_training(path: Path) -> None:
    """The same sizes, keys and time, as after `cp -p`."""
    state, other = path.stat(), path.with_name("other.safetensors")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


def edited_in_place(path: Path) -> None:
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    os.utime(path, (1, 1))


def removed(path: Path) -> None:
    path.unlink()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES = [cut_short, replaced_by_another_training, edited_in_place, removed, made_a_folder]
READERS = {
    "the gates": lambda expert: expert.route(STYLE),
    "the experts": lambda expert: expert.collapse(STYLE),
    "the encoder": lambda expert: expert.encoder,
    "every layer": lambda expert: list(expert.stored_layers()),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused_at_each_opening(written, change, reader):
    path = written(expert_state() | {f"encoder.{key}": weight for key, weight in encoder_state().items()})
    expert = StyleExpert.open(path)
    change(path)
    with pytest.raises(StyleExpertError, match="Load it again"):
        READERS[reader](expert)


def test_old_gates_never_meet_new_experts(written):
    expert = StyleExpert.open(written(expert_state()))
    expert.route(STYLE)  # the gates stay in memory
    written(expert_state(seed=1))
    with pytest.raises(StyleExpertError, match="has changed since it was opened"):
        expert.collapse(STYLE)


@pytest.mark.parametrize("change", [cut_short, edited_in_place])
def test_a_change_while_tensors_are_read_is_noticed(written, change):
    weights = WeightFile(read_header(path := written(expert_state())))

    def read() -> None:
        with weights.opened() as opened:
            opened.whole(KEY)
            change(path)
            opened.whole(KEY.replace(LAYERS[0], LAYERS[1]))

    with pytest.raises(StyleExpertError, match="has changed since it was opened"):
        read()


CUT_WHILE_READING = """
import os, sys
from styleroute.moe import StyleExpertError
from styleroute.moe.header import read_header
from styleroute.moe.weight_file import WeightFile
weights = WeightFile(read_header(sys.argv[1]))
try:
    with weights.opened() as opened:
        kept = [opened.expert(key, 0) for key in weights.header.tensors]
        os.truncate(sys.argv[1], 4096)
        print(sum(float(weight.sum()) for weight in kept) < float("inf"))
        opened.expert(list(weights.header.tensors)[-1], 0)
except StyleExpertError as error:
    print(error)
"""


@POSIX
def test_a_file_cut_short_while_it_is_read_does_not_end_the_process(written):
    path = written(expert_state(d_in=4_000, d_out=4_000))
    done = subprocess.run([sys.executable, "-c", CUT_WHILE_READING, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "True"), done.stderr
    assert "has changed since it was opened" in done.stdout


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.safetensors")
    return folder / "x.safetensors"


def link_loop(folder: Path) -> Path:
    (folder / "x.safetensors").symlink_to(folder / "y.safetensors")
    (folder / "y.safetensors").symlink_to(folder / "x.safetensors")
    return folder / "x.safetensors"


def inside_a_link_loop(folder: Path) -> Path:
    return link_loop(folder) / "x.safetensors"


def device(folder: Path) -> Path:
    (folder / "x.safetensors").symlink_to("/dev/zero")
    return folder / "x.safetensors"


def name(text: str):
    def make(folder: Path) -> Path:
        return folder / text

    make.__name__ = ascii(text[:12])
    return make


BAD_NAMES = list(map(name, ("a\0b.safetensors", "\ud800.safetensors", "x" * 300 + ".safetensors")))
UNWRITABLE = [pytest.param(inside_a_link_loop, marks=POSIX), *BAD_NAMES]
UNREADABLE = [
    *(pytest.param(make, marks=POSIX) for make in (pipe, link_loop, device)),
    name("\x1b[2J\u202e.safetensors"),
    *UNWRITABLE,
]


@pytest.mark.parametrize("make", UNREADABLE)
def test_a_path_without_a_file_is_one_sentence(tmp_path, make):
    path = make(tmp_path)
    for read in (StyleExpert.open, open_encoder, read_header, lambda path: convert(path, tmp_path / "t.safetensors")):
        error = refusal_within_seconds(read, path)
        assert "cannot be read" in error
        assert len(error.encode("utf-8")) <= 1_000
        assert error.isprintable()
    assert all(line.isprintable() for line in inspect_file(path).lines())


def refusal_within_seconds(read, path: Path) -> str:
    """The text of the error. A pipe must not block, so the reader runs in a thread of its own."""
    errors = []

    def run() -> None:
        try:
            read(path)
        except StyleExpertError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert errors, "the reader waits for the pipe, or accepts the file"
    return errors[0]


@pytest.mark.parametrize("make", UNWRITABLE)
def test_a_path_that_cannot_be_written_is_one_sentence(tmp_path, make):
    path = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StyleExpertError, match="could not be written"):
        write_atomically(path, lora_state(), {}, check=False)
    with pytest.raises(StorageError, match="could not be written"), whole_file(path) as partial:
        partial.write_text("must not be reached")
    with pytest.raises(StyleExpertError):
        convert(tmp_path / "absent.pt", path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_target_with_the_longest_name_is_written(tmp_path, written):
    target = tmp_path / ("x" * 243 + ".safetensors")
    assert convert(written(lora_state()), target).is_file()
    with whole_file(target) as partial:
        partial.write_text("whole")
    assert target.read_text() == "whole"


def test_a_refused_save_names_the_file_of_the_user(tmp_path):
    config = StyleExpert.open(convert_of_experts(tmp_path)).config
    with pytest.raises(StyleExpertError, match=r"mine\.safetensors") as caught:
        save_expert(tmp_path / "mine.safetensors", expert_state(num_experts=5), config, None)
    assert "partial" not in str(caught.value)


def convert_of_experts(folder: Path) -> Path:
    torch.save(expert_state(), folder / "x.pt")
    return convert(folder / "x.pt", folder / "x.safetensors")
