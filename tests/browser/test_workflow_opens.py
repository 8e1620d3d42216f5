"""The example workflows open in ComfyUI's page on a real server, and every node is known."""

import json
import shutil
from pathlib import Path

import pytest
from styleroute.comfy_client import ComfyServer
from styleroute.paths import PACK

pytestmark = pytest.mark.browser

WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1600,1000"
)
OPEN = """
const [workflow, done] = arguments;
window.app.loadGraphData(workflow).then(() => {
  const nodes = window.app.graph.nodes ?? window.app.graph._nodes;
  done(nodes.map((node) => ({
    type: node.type,
    known: node.type in window.LiteGraph.registered_node_types && !node.has_errors,
    linked: (node.inputs ?? []).filter((input) => input.link != null).map((input) => input.name),
    widgets: Object.fromEntries((node.widgets ?? []).map((widget) => [widget.name, widget.value])),
  })));
}, (error) => done(String(error)));
"""


@pytest.fixture(scope="module")
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
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            browser.set_script_timeout(60)
            browser.get(server.url)
            ready = "return !!(window.app?.graph && window.LiteGraph?.registered_node_types?.KSampler)"
            WebDriverWait(browser, 120).until(lambda opened: opened.execute_script(ready))
            yield browser
        finally:
            browser.quit()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_node_is_missing(page, path: Path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = page.execute_async_script(OPEN, workflow)
    assert isinstance(nodes, list), nodes
    assert len(nodes) == len(workflow["nodes"])
    assert [node["type"] for node in nodes if not node["known"]] == []


def test_style_links_and_values_arrive_at_their_inputs(page):
    workflow = json.loads((PACK / "example_workflows" / "style_transfer.json").read_text(encoding="utf-8"))
    nodes = {node["type"]: node for node in page.execute_async_script(OPEN, workflow)}
    assert {"model", "style_expert", "style"} <= set(nodes["StyleRoute_MoEApply"]["linked"])
    assert nodes["StyleRoute_MoEApply"]["widgets"]["strength"] == 1.0
    assert nodes["KSampler"]["widgets"] | {"steps": 20, "sampler_name": "euler"} == nodes["KSampler"]["widgets"]


def test_region_links_and_values_arrive_at_their_inputs(page):
    workflow = json.loads((PACK / "example_workflows" / "region_style.json").read_text(encoding="utf-8"))
    nodes = {node["type"]: node for node in page.execute_async_script(OPEN, workflow)}
    sampler, prompt = nodes["StyleRoute_RegionRouteSampler"], nodes["StyleRoute_RegionPrompt"]
    assert set(sampler["linked"]) == {"model", "positive", "latent_image"}
    expected = {"steps": 20, "region_expert": "auto", "region": "style", "background_lock": 0.0, "blocks": "auto"}
    assert sampler["widgets"] | expected == sampler["widgets"]
    assert prompt["widgets"]["text"].startswith("make the guitar in indigo dots style")
    preview = nodes["StyleRoute_AttentionMapPreview"]
    assert preview["widgets"] | {"span": "style", "opacity": 0.6} == preview["widgets"]
