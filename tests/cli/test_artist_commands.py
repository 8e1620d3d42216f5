"""`convert` and `inspect` run from the installed pack with ComfyUI's own Python: without tyro, rich or diffusers."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from styleroute.cli import main
from styleroute.cli.missing import missing_module
from styleroute.moe import EncoderConfig, ExpertConfig, StyleEncoder
from styleroute.paths import PACK

CONFIG = EncoderConfig(taps=(-1,), num_queries=2, num_tokens=4, hidden_size=8, proj_dim=6, cond_dim=12)
DOWN_AND_UP = {"lora_A.weight": torch.ones(2, 4), "lora_B.weight": torch.ones(4, 2)}
LORA = {f"transformer.transformer_blocks.0.attn.to_q.{part}": weight for part, weight in DOWN_AND_UP.items()}


def run_pack(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(PACK), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_the_folder_runs_as_a_command_without_extras(tmp_path: Path, bare_environment: dict[str, str]) -> None:
    torch.save(LORA, tmp_path / "source.pt")
    target = tmp_path / "target.safetensors"
    done = run_pack(bare_environment, "convert", tmp_path / "source.pt", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert "models/style_experts" in done.stdout
    done = run_pack(bare_environment, "inspect", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert "plain LoRA" in done.stdout


def test_a_command_without_its_packages_names_the_clone(bare_environment: dict[str, str]) -> None:
    done = run_pack(bare_environment, "train", "tiny")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "styleroute train: This command needs a clone of the repository (the package 'tyro' is missing here); "
        "run `python run.py train`."
    ]


def test_a_command_without_its_folder_names_the_clone() -> None:
    message = missing_module("demo", ModuleNotFoundError(name="styleroute.not_shipped.region"))
    assert "the folder not_shipped/ is missing here" in message


def test_a_wrong_import_in_an_existing_folder_is_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError):
        missing_module("demo", ModuleNotFoundError(name="styleroute.demo.misspelt"))


def test_an_artists_command_names_comfyuis_python() -> None:
    assert "ComfyUI's own Python" in missing_module("convert", ModuleNotFoundError(name="safetensors.torch"))


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "styleroute", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "inspect" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
def test_a_closed_pipe_is_no_traceback(tmp_path: Path, bare_environment: dict[str, str]) -> None:
    torch.save(LORA, tmp_path / "source.pt")
    assert main(["convert", str(tmp_path / "source.pt"), str(tmp_path / "lora.safetensors")]) == 0
    command = [sys.executable, str(PACK), "inspect", str(tmp_path / "lora.safetensors")]
    process = subprocess.Popen(command, env=bare_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=60)


@pytest.mark.parametrize(("encoder_alone", "folder"), [(False, "style_experts"), (True, "style_encoders")])
def test_convert_says_where_the_file_belongs(tmp_path: Path, capsys, encoder_alone: bool, folder: str) -> None:
    torch.save(StyleEncoder(CONFIG).state_dict() if encoder_alone else LORA, tmp_path / "source.pt")
    assert main(["convert", str(tmp_path / "source.pt"), str(tmp_path / "target.safetensors")]) == 0
    assert f"models/{folder}." in capsys.readouterr().out


def test_convert_refuses_an_encoder_instead_of_experts(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.save(LORA, tmp_path / "lora.pt")
    torch.save(StyleEncoder(CONFIG).state_dict(), tmp_path / "encoder.pt")
    arguments = [
        str(tmp_path / "encoder.pt"),
        str(tmp_path / "both.safetensors"),
        "--encoder",
        str(tmp_path / "lora.pt"),
    ]
    assert main(["convert", *arguments]) == 1
    assert "--encoder" in capsys.readouterr().err


def test_inspect_of_a_faulty_file_ends_with_code_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(tmp_path / "cut.safetensors")])
    assert end.value.code == 1
    assert "problem: cut.safetensors is cut short" in capsys.readouterr().out


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202e"


def test_inspect_prints_no_terminal_codes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    training = {"style": HOSTILE, HOSTILE: HOSTILE, "long": "x" * 10_000}
    entry = {"format": 1, **vars(ExpertConfig.plain_lora(2)), "base": HOSTILE, "training": training}
    path = tmp_path / f"{HOSTILE}.safetensors"
    save_file(LORA | {f"{HOSTILE}.lora_A.weight": torch.ones(2, 4)}, path, {"styleroute": json.dumps(entry)})
    with contextlib.suppress(SystemExit):
        main(["inspect", str(path)])
    save_file(LORA, path, {"styleroute": json.dumps(entry)})
    main(["inspect", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert any("region expert for the style" in line for line in lines)
    assert all(line.isprintable() and len(line) <= 1_000 for line in lines)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names without a text")
def test_commands_accept_file_names_that_are_no_text(tmp_path: Path, bare_environment: dict[str, str]) -> None:
    torch.save(LORA, tmp_path / "source.pt")
    name = tmp_path / "\udcff墨.safetensors"
    environment = bare_environment | {"PYTHONIOENCODING": "ascii"}
    done = run_pack(environment, "convert", tmp_path / "source.pt", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\udcff" in done.stdout
    done = run_pack(environment, "inspect", name)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_pack(environment, "inspect", tmp_path / "\udcff")
    assert (done.returncode, done.stderr) == (1, "")
    assert "cannot be read" in done.stdout
