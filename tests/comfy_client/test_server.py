"""A server that fails says why; a real one runs workflows and names what it refuses."""

from pathlib import Path

import pytest
from PIL import Image
from styleroute.comfy_client import ComfyServer
from styleroute.errors import ComfyError


def fake_comfyui(folder: Path, program: str) -> Path:
    (folder / "comfy").mkdir(parents=True)
    (folder / "nodes.py").touch()
    (folder / "main.py").write_text(program)
    return folder


def test_a_server_that_ends_while_starting_shows_its_log(tmp_path: Path):
    comfyui = fake_comfyui(tmp_path / "comfyui", "import sys; print('no such driver'); sys.exit(7)")
    with pytest.raises(ComfyError, match=r"ended with code 7 while starting(?s:.*)no such driver"):
        ComfyServer.start(packs=(), comfyui=comfyui)


def test_a_silent_server_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("styleroute.comfy_client.server.START_SECONDS", 0.5)
    comfyui = fake_comfyui(tmp_path / "comfyui", "import time; time.sleep(60)")
    with pytest.raises(ComfyError, match="did not answer within"):
        ComfyServer.start(packs=(), comfyui=comfyui)


@pytest.fixture(scope="module")
def server():
    with ComfyServer.start(packs=()) as server:
        yield server


@pytest.mark.comfy
class TestRealServer:
    def test_runs_a_workflow_twice_and_returns_its_image(self, server: ComfyServer, tmp_path: Path):
        Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
        prompt = {
            "1": {"class_type": "LoadImage", "inputs": {"image": server.upload_image(tmp_path / "red.png")}},
            "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "inverted"}},
        }
        for _ in range(2):  # the second time everything is cached
            outputs = server.run(prompt)
            image = server.fetch_image(**outputs["3"]["images"][0])
            assert image.getpixel((4, 4)) == (0, 255, 255)

    def test_an_unknown_node_is_named(self, server: ComfyServer):
        with pytest.raises(ComfyError, match="Nowhere"):
            server.run({"1": {"class_type": "Nowhere", "inputs": {}}})

    def test_a_refused_input_is_named_with_its_node(self, server: ComfyServer):
        prompt = {
            "1": {"class_type": "LoadImage", "inputs": {"image": "missing.png"}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        with pytest.raises(ComfyError, match=r"LoadImage \(node 1\).*missing\.png") as caught:
            server.run(prompt)
        assert caught.value.node_errors["1"]["class_type"] == "LoadImage"


def test_stopping_deletes_the_folder_and_keeps_the_pack(tmp_path: Path):
    from styleroute.comfy_client.server import _base_folder

    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__init__.py").touch()
    base = _base_folder([pack])
    assert (base / "custom_nodes" / "pack" / "__init__.py").exists()

    class Ended:
        def poll(self) -> int:
            return 0

    ComfyServer(Ended(), "http://127.0.0.1:1", base).stop()
    assert not base.exists()
    assert (pack / "__init__.py").exists()
