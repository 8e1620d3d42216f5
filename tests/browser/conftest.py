"""ComfyUI's page in a browser, on a real server."""

import pytest
from styleroute.comfy_client import ComfyServer
from styleroute.paths import PACK

from ..chromium import open_chromium

BROKEN = "broken.safetensors"
"""An expert file on the server that Load StyleExpert refuses."""


@pytest.fixture(scope="session")
def broken_file() -> str:
    """The name of an expert file that Load StyleExpert refuses."""
    return BROKEN


# For this folder alone: an open page takes most of a core, because ComfyUI draws all the time.
@pytest.fixture(scope="package")
def page(tmp_path_factory: pytest.TempPathFactory):
    from selenium.webdriver.support.ui import WebDriverWait

    with (
        open_chromium(tmp_path_factory.mktemp("profile")) as browser,
        ComfyServer.start(packs=(PACK, PACK / "examples" / "tiny_kontext")) as server,
    ):
        (server.models / "style_experts").mkdir(parents=True, exist_ok=True)
        (server.models / "style_experts" / BROKEN).write_text("This is not a safetensors file.")
        browser.get(server.url)
        ready = "return !!(window.app?.graph && window.LiteGraph?.registered_node_types?.KSampler)"
        WebDriverWait(browser, 120).until(lambda opened: opened.execute_script(ready))
        yield browser
