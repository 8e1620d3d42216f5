"""The page in a real browser, on a phone and on a desktop, in the light and in the dark."""

from pathlib import Path

import pytest
from styleroute.evaluation.report.make import PAGE_FILE

from ...chromium import open_chromium

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(report_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    with open_chromium(tmp_path_factory.mktemp("profile")) as opened:
        opened.get((report_folder / PAGE_FILE).as_uri())
        yield opened


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1366, 768)])
def test_only_tables_and_plots_are_wider_than_the_screen(browser, width: int, height: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    outside = """
        const inside = each => each.closest('.scroll') || each.closest('nav');
        const wide = each => each.getBoundingClientRect().right > window.innerWidth + 1;
        return [...document.querySelectorAll('body *')].filter(each => !inside(each) && wide(each))
            .map(each => each.tagName);
    """
    assert browser.execute_script(outside) == []


def test_the_colours_follow_the_system(browser) -> None:
    shown = {}
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        shown[scheme] = browser.execute_script(colours)
    assert shown["light"][0] == "rgb(255, 255, 255)"
    assert shown["dark"][0] != shown["light"][0]
    assert shown["dark"][1] != shown["light"][1]


def test_all_images_load_and_nothing_is_refused(browser) -> None:
    browser.execute_script("document.querySelectorAll('img').forEach(each => { each.loading = 'eager' })")
    broken = "return [...document.images].filter(each => each.complete && !each.naturalWidth).length"
    assert browser.execute_script(broken) == 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
