"""The files that the Comfy registry ships, in a bare ComfyUI: nodes, help pages, workflows and commands."""

import shutil
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from styleroute.comfy_client import ComfyServer
from styleroute.paths import PACK

pytestmark = pytest.mark.comfy


def shipped_files() -> list[str]:
    """Paths of the tracked files that `.comfyignore` does not exclude, as the registry's own tool lists them."""
    if not (PACK / ".git").exists() or not shutil.which("git"):
        pytest.skip("the registry's files are listed with git, in a clone")
    tracked, excluded = _git("ls-files"), _git("ls-files", "--cached", "--ignored", "--exclude-from=.comfyignore")
    return sorted(path for path in tracked - excluded if (PACK / path).is_file())


def _git(*arguments: str) -> set[str]:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return set(subprocess.run(command, cwd=PACK, capture_output=True, text=True, check=True).stdout.splitlines())


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked into a folder with the name that the registry gives it."""
    folder = tmp_path_factory.mktemp("registry")
    with zipfile.ZipFile(folder / "node.zip", "w") as archive:
        for path in shipped_files():
            archive.write(PACK / path, path)
    name = tomllib.loads((PACK / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    with zipfile.ZipFile(folder / "node.zip") as archive:
        archive.extractall(folder / "custom_nodes" / name)
    return folder / "custom_nodes" / name


@pytest.fixture(scope="module")
def registry_server(pack: Path) -> Iterator[ComfyServer]:
    with ComfyServer.start(packs=[pack, pack / "examples" / "tiny_kontext"]) as server:
        yield server


def run_pack(pack: Path, environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `python <folder> ...` from the folder around custom_nodes, as an artist does."""
    command = [sys.executable, str(pack.relative_to(pack.parent.parent)), *map(str, arguments)]
    return subprocess.run(command, cwd=pack.parent.parent, env=environment, capture_output=True, text=True, timeout=120)


def test_the_archive_holds_what_artists_need_and_no_more(pack: Path) -> None:
    files = {file.relative_to(pack).as_posix() for file in pack.rglob("*") if file.is_file()}
    assert {"__init__.py", "__main__.py", "errors.py", "paths.py", "LICENSE", "pyproject.toml"} <= files
    assert {"example_workflows/style_transfer.json", "web/docs/StyleRoute_MoEApply.md"} <= files
    folders = {path.split("/")[0] for path in files if "/" in path}
    ideas_and_nodes = {"moe", "attention", "flux", "nodes", "cli"}
    assert folders == ideas_and_nodes | {"locales", "web", "example_workflows", "examples", "storage"}
    shipped_storage = {path for path in files if path.startswith("storage/")}
    assert shipped_storage == {f"storage/{name}.py" for name in ("__init__", "image_reader", "image_tensor")}
    assert "run.py" not in files


def test_every_node_is_registered_and_has_its_help_page(registry_server: ComfyServer, pack: Path) -> None:
    nodes = {name for name in registry_server.object_info() if name.startswith("StyleRoute_")}
    pages = {file.stem for file in (pack / "web" / "docs").glob("*.md")}
    assert len(nodes) >= 9
    assert pages <= nodes
    for page in pages:
        with urllib.request.urlopen(f"{registry_server.url}/extensions/{pack.name}/docs/{page}.md") as answer:
            assert answer.status == 200


def test_the_workflows_are_offered_as_templates(registry_server: ComfyServer, pack: Path) -> None:
    with urllib.request.urlopen(f"{registry_server.url}/workflow_templates") as answer:
        assert b"style_transfer" in answer.read()


def test_the_log_has_no_error_of_the_pack(registry_server: ComfyServer, pack: Path) -> None:
    """ComfyUI's own nodes may fail to import, so only the lines count that name a file of the packs."""
    folders = (str(registry_server.folder / "custom_nodes"), str(pack))
    lines = [line for line in registry_server.log.splitlines() if any(folder in line for folder in folders)]
    assert lines
    signs = ("failed", "error", "cannot import", 'file "')
    assert not [line for line in lines if any(sign in line.lower() for sign in signs)]


def test_convert_and_inspect_run_without_extras(pack: Path, tmp_path: Path, bare_environment: dict[str, str]) -> None:
    lora = {"lora_A.weight": torch.ones(2, 4), "lora_B.weight": torch.ones(4, 2)}
    state = {f"transformer.transformer_blocks.0.attn.to_q.{part}": weight for part, weight in lora.items()}
    torch.save(state, tmp_path / "source.pt")
    target = tmp_path / "target.safetensors"
    done = run_pack(pack, bare_environment, "convert", tmp_path / "source.pt", target)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_pack(pack, bare_environment, "inspect", target)
    assert (done.returncode, done.stderr) == (0, "")
    assert "plain LoRA" in done.stdout


def test_bake_runs_without_extras(pack: Path, tmp_path: Path, bare_environment: dict[str, str]) -> None:
    models = pack / "examples" / "tiny_kontext" / "models"
    experts, target = models / "style_experts" / "tiny_styles.safetensors", tmp_path / "baked.safetensors"
    image = PACK / "assets" / "style_ink_comic.png"
    done = run_pack(pack, bare_environment, "bake", experts, target, "--style", image)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_pack(pack, bare_environment, "inspect", target)
    assert "no problem found" in done.stdout


@pytest.mark.parametrize("command", ["demo", "train", "data", "evaluate", "benchmark"])
def test_the_other_commands_ask_for_a_clone(pack: Path, bare_environment: dict[str, str], command: str) -> None:
    done = run_pack(pack, bare_environment, command, "--help")
    assert done.returncode == 1
    assert "needs a clone of the repository" in done.stderr
    assert len(done.stderr.splitlines()) == 1
