"""Starts a ComfyUI server on a free port, in a temporary folder, with chosen node packs."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ComfyError
from ..paths import PACK
from .client import ComfyClient
from .finding import find_comfyui

FOLDERS = ("custom_nodes", "models", "input", "output", "temp", "user")
START_SECONDS = 300.0
STOP_SECONDS = 15.0
LOG_TAIL_LINES = 30
# Files that are left out when a pack is copied because links are not allowed.
NOT_COPIED = (".git", ".venv", ".cache", "__pycache__", "tests", "runs", "output", "*.egg-info")


class ComfyServer(ComfyClient):
    """A ComfyUI process with its client. Use it as a context manager.

    Attributes:
        folder: temporary base folder with `input`, `output` and `custom_nodes`; deleted at the end.
        models: the models folder inside `folder`, empty at first.
    """

    def __init__(self, process: subprocess.Popen, url: str, folder: Path):
        super().__init__(url)
        self.folder, self.models = folder, folder / "models"
        self._process = process

    @classmethod
    def start(
        cls,
        packs: Iterable[str | Path] = (PACK,),
        extra_args: Sequence[str] = (),
        comfyui: Path | None = None,
        cpu: bool = True,
    ) -> "ComfyServer":
        """Starts ComfyUI with only `packs` as custom nodes, and waits until it answers.

        Args:
            packs: folders of node packs.
            extra_args: further arguments of ComfyUI.
            comfyui: ComfyUI's folder; None: the one that `find_comfyui` finds.
            cpu: compute on the CPU; otherwise ComfyUI chooses the device.

        Raises:
            ComfyNotFound: no ComfyUI was found.
            ComfyError: ComfyUI stopped or did not answer; the message has the end of its log.
        """
        comfyui = comfyui or find_comfyui()
        folder = _base_folder([Path(pack).absolute() for pack in packs])
        port = _free_port()
        command = [sys.executable, "main.py", *(["--cpu"] if cpu else []), *_arguments(port, folder), *extra_args]
        with open(folder / "server.log", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=comfyui,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            )
        server = cls(process, f"http://127.0.0.1:{port}", folder)
        try:
            server._wait_until_ready()
        except BaseException:
            server.stop()
            raise
        return server

    def stop(self) -> None:
        """Stops the process and deletes its folder. A second call does nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """The server's output so far."""
        file = self.folder / "server.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def log_tail(self) -> str:
        """Returns the last lines of the log, for error messages."""
        return "\n".join(["The end of its log:", *self.log.splitlines()[-LOG_TAIL_LINES:]])

    def __enter__(self) -> "ComfyServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self._process.poll()) is not None:
                raise ComfyError(f"ComfyUI ended with code {code} while starting. {self.log_tail()}")
            try:
                self._get("/system_stats")
                return
            except ComfyError:
                time.sleep(0.2)
        raise ComfyError(f"ComfyUI did not answer within {START_SECONDS:.0f} seconds. {self.log_tail()}")


def _arguments(port: int, folder: Path) -> list[str]:
    # The database is in memory: its default file is in ComfyUI's own folder, not in the base folder.
    # No API nodes: they connect to the internet.
    arguments = f"--port {port} --disable-auto-launch --disable-api-nodes --database-url sqlite:///:memory:"
    return [*arguments.split(), "--base-directory", str(folder)]


def _base_folder(packs: list[Path]) -> Path:
    base = Path(tempfile.mkdtemp(prefix="styleroute-comfyui-"))
    for name in FOLDERS:
        (base / name).mkdir()
    for pack in packs:
        _link_or_copy(pack, base / "custom_nodes" / pack.name)
    return base


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source, target_is_directory=True)
    except OSError:  # Windows allows links only in developer mode
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*NOT_COPIED))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
