"""The client alone, against a small server of Python's own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from styleroute.comfy_client import ComfyClient
from styleroute.errors import ComfyError


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == "/object_info"
        self.send_response(200 if found else 500)
        self.end_headers()
        self.wfile.write(json.dumps({"KSampler": {}}).encode() if found else b"out of order")

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_proxy_of_the_environment_is_not_asked(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert ComfyClient(url).object_info() == {"KSampler": {}}


def test_an_answer_that_is_no_json_is_shown(url: str):
    with pytest.raises(ComfyError, match=r"answered /view with 500: out of order"):
        ComfyClient(url).fetch_image("a.png")


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(ComfyError, match=r"ComfyUI at http://127\.0\.0\.1:9 does not answer .* Start ComfyUI, or give"):
        ComfyClient("http://127.0.0.1:9").object_info()


def test_a_workflow_for_a_server_that_is_not_there_is_refused():
    with pytest.raises(ComfyError, match=r"ComfyUI at http://127\.0\.0\.1:9 does not answer"):
        ComfyClient("http://127.0.0.1:9").run({})
