"""ComfyUI's page in a browser, on a real server."""

import shutil

import pytest
from styleroute.comfy_client import ComfyServer
from styleroute.paths import PACK

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1600,1000"
)
BROKEN = "broken.safetensors"
"""An expert file on the server that Load StyleExpert refuses."""


@pytest.fixture(scope="session")
def broken_file() -> str:
    """The name of an expert file that Load StyleExpert refuses."""
    return BROKEN


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium with chromedriver is installed (Debian: chromium, chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    with ComfyServer.start(packs=(PACK, PACK / "examples" / "tiny_kontext")) as server:
        (server.models / "style_experts").mkdir(parents=True, exist_ok=True)
        (server.models / "style_experts" / BROKEN).write_text("This is not a safetensors file.")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            browser.set_script_timeout(60)
            browser.get(server.url)
            ready = "return !!(window.app?.graph && window.LiteGraph?.registered_node_types?.KSampler)"
            WebDriverWait(browser, 120).until(lambda opened: opened.execute_script(ready))
            yield browser
        finally:
            browser.quit()
