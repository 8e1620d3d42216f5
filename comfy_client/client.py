"""A small client of ComfyUI's HTTP and websocket interface."""

import io
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import websocket
from PIL import Image

from ..errors import ComfyError

OnProgress = Callable[[str, float, float], None]
"""Called with a node's id, its finished steps and its total number of steps."""

CONNECT_SECONDS = 60.0
"""Time limit for a websocket connection, in seconds: a server that is busy with a model answers late."""
SILENCE_SECONDS = 5.0
"""Seconds without a websocket message after which the client checks that the server still runs."""


# No proxy from the environment: a proxy cannot reach ports of this computer.
_OPENER = build_opener(ProxyHandler({}))


class ComfyClient:
    """Talks to the ComfyUI server at `url`, for instance `http://127.0.0.1:8188`."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self._id = uuid.uuid4().hex

    def object_info(self) -> dict[str, Any]:
        """Returns every node class of the server by its id, with inputs and outputs."""
        return self._get("/object_info")

    def run(self, prompt: dict[str, Any], on_progress: OnProgress | None = None) -> dict[str, Any]:
        """Runs a workflow in API form and returns `{node id: outputs}` of its output nodes.

        Raises:
            ComfyError: the workflow is not valid, a node failed, or the run was interrupted.
        """
        socket, outputs = self._connect(), {}
        try:
            prompt_id = self._queue(prompt)
            for kind, data in self._messages(socket, prompt_id):
                if kind in ("execution_error", "execution_interrupted"):
                    raise _failure(kind, data)
                if kind == "execution_success":
                    return outputs
                if kind == "executed" and data.get("output"):
                    outputs[str(data["node"])] = data["output"]
                if on_progress and kind == "progress":
                    on_progress(str(data["node"]), data["value"], data["max"])
        finally:
            socket.close()

    def upload_image(self, path: str | Path, subfolder: str = "") -> str:
        """Uploads an image to the server's input folder; returns its name for the node Load Image.

        Args:
            path: the image file. Another image with its name on the server stays; the new one gets a number.
            subfolder: folder inside the server's input folder.
        """
        path, boundary = Path(path), uuid.uuid4().hex
        folder = f'--{boundary}\r\nContent-Disposition: form-data; name="subfolder"\r\n\r\n{subfolder}\r\n'
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = (folder + head).encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        kept = json.loads(self._send("/upload/image", body, f"multipart/form-data; boundary={boundary}"))
        return f"{kept['subfolder']}/{kept['name']}" if kept.get("subfolder") else kept["name"]

    def fetch_image(self, filename: str, subfolder: str = "", type: str = "output") -> Image.Image:
        """Downloads an image that a workflow saved. The three arguments are in the outputs of its node."""
        query = urlencode({"filename": filename, "subfolder": subfolder, "type": type})
        image = Image.open(io.BytesIO(self._send(f"/view?{query}")))
        image.load()
        return image

    def interrupt(self) -> None:
        """Stops the running workflow."""
        self._send("/interrupt", b"{}", "application/json")

    def log_tail(self) -> str:
        """Returns the end of the server's log, for error messages; empty if the client did not start the server."""
        return ""

    def _connect(self) -> websocket.WebSocket:
        address = self.url.replace("http", "ws", 1) + f"/ws?clientId={self._id}"
        try:
            socket = websocket.create_connection(address, timeout=CONNECT_SECONDS, http_no_proxy=["*"])
        except (websocket.WebSocketException, OSError) as error:
            raise self._no_answer(error) from error
        socket.settimeout(SILENCE_SECONDS)
        return socket

    def _queue(self, prompt: dict[str, Any]) -> str:
        body = json.dumps({"prompt": prompt, "client_id": self._id}).encode()
        return json.loads(self._send("/prompt", body, "application/json"))["prompt_id"]

    def _messages(self, socket: websocket.WebSocket, prompt_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            try:
                message = socket.recv()
            except websocket.WebSocketTimeoutException:
                self._get("/queue")  # raises an error if the server has stopped
                continue
            except (websocket.WebSocketException, OSError) as error:
                raise ComfyError(f"ComfyUI broke the connection ({error}). {self.log_tail()}") from error
            if not isinstance(message, str) or not message:
                continue  # a preview image
            message = json.loads(message)
            if message["data"].get("prompt_id") == prompt_id:
                yield message["type"], message["data"]

    def _get(self, path: str) -> Any:
        return json.loads(self._send(path))

    def _send(self, path: str, body: bytes | None = None, content_type: str | None = None) -> bytes:
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            with _OPENER.open(Request(self.url + path, data=body, headers=headers), timeout=120) as answer:
                return answer.read()
        except HTTPError as error:
            raise _refusal(path, error.code, error.read()) from error
        except (URLError, OSError) as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> ComfyError:
        remedy = self.log_tail() or "Start ComfyUI, or give the address of a running one."
        return ComfyError(f"ComfyUI at {self.url} does not answer ({error}). {remedy}")


def _refusal(path: str, code: int, body: bytes) -> ComfyError:
    """Returns the error for an HTTP error status; for a refused prompt it lists the errors of each node."""
    try:
        answer = json.loads(body)
        node_errors, error = answer.get("node_errors") or {}, answer["error"]
        message = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, AttributeError):
        return ComfyError(f"ComfyUI answered {path.split('?')[0]} with {code}: {body[:500].decode(errors='replace')}")
    problems = [
        f"{node['class_type']} (node {node_id}): {problem['message']}: {problem['details']}"
        for node_id, node in node_errors.items()
        for problem in node["errors"]
    ]
    return ComfyError("\n".join([message, *problems]), node_errors)


def _failure(kind: str, data: dict[str, Any]) -> ComfyError:
    """Returns the error for a workflow that failed or was interrupted."""
    node_id, node_type = str(data.get("node_id")), data.get("node_type")
    if kind == "execution_interrupted":
        return ComfyError(f"The workflow was interrupted at {node_type} (node {node_id}).")
    message = str(data.get("exception_message", "")).strip()
    problem = {
        "type": data.get("exception_type", ""),
        "message": message,
        "details": "".join(data.get("traceback", ())),
    }
    node_errors = {node_id: {"class_type": node_type, "errors": [problem]}}
    return ComfyError(f"{node_type} (node {node_id}): {message}", node_errors)
