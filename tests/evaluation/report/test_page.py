"""The page: well-formed, without any other file, with everything escaped; and what it shows."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image
from styleroute.evaluation.report.images import SIDE
from styleroute.evaluation.report.kinds import KINDS
from styleroute.evaluation.report.make import PAGE_FILE, ROWS_FILE
from styleroute.evaluation.report.published import published_rows

from .synthetic import HOSTILE


@pytest.fixture(scope="session")
def tree(page: str) -> ET.Element:
    return ET.fromstring(page)


def text_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def section(tree: ET.Element, title: str) -> ET.Element:
    [found] = [each for each in tree.iter("section") if text_of(each[0]) == title and each[0].tag == "h2"]
    return found


def test_the_folder_holds_two_files(report_folder: Path) -> None:
    assert sorted(path.name for path in report_folder.iterdir()) == [PAGE_FILE, ROWS_FILE]


def test_the_page_is_well_formed_and_its_identifiers_and_links_fit(tree: ET.Element) -> None:
    identifiers = [each.get("id") for each in tree.iter() if each.get("id")]
    assert len(identifiers) == len(set(identifiers))
    links = [each.get("href", "") for each in tree.iter() if each.get("href")]
    assert links
    assert all(link.startswith("data:") or link[1:] in identifiers for link in links)
    used = re.findall(r"url\(#([^)]+)\)", ET.tostring(tree, encoding="unicode"))
    assert set(used) <= set(identifiers)


def test_the_page_loads_nothing(page: str, tree: ET.Element) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert not [each for each in tree.iter() if each.tag in ("script", "link", "iframe", "object", "embed")]
    assert all(each.get("src", "").startswith("data:image/") for each in tree.iter("img"))
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_a_hostile_name_is_text(page: str, tree: ET.Element) -> None:
    shown = HOSTILE.replace("\x1b", r"\x1b")
    assert shown in text_of(tree)
    assert "<script" not in page
    assert "\x1b" not in page


def test_a_phone_can_read_it(page: str, tree: ET.Element) -> None:
    viewport = next(each for each in tree.iter("meta") if each.get("name") == "viewport")
    assert viewport.get("content") == "width=device-width, initial-scale=1"
    assert "prefers-color-scheme: dark" in page
    boxes = [each for each in tree.iter("div") if each.get("class") == "scroll"]
    inside = {table for box in boxes for table in box.iter("table")}
    assert inside == set(tree.iter("table"))


def test_every_evaluation_has_a_section(tree: ET.Element) -> None:
    titles = {text_of(each) for each in tree.iter("h2")}
    assert {kind.title for kind in KINDS.values()} <= titles
    assert {"Runs", "Comparison", "Plots", "Claims and goals", "Sheets", "How to read"} <= titles


@pytest.mark.parametrize("kind", ["paper-styles", "paper-regions"])
def test_published_rows_stand_beside_ours_and_are_marked(tree: ET.Element, kind: str) -> None:
    rows = [row for row in section(tree, KINDS[kind].title).iter("tr") if row.get("class") == "theirs"]
    assert len(rows) == len(published_rows(kind))
    assert all("published: " in text_of(row[0]) for row in rows)


def test_a_missing_model_is_explained_and_our_semantic_score_is_not_the_papers(tree: ET.Element) -> None:
    styles = section(tree, KINDS["paper-styles"].title)
    assert "The model dino is missing." in text_of(styles)
    head = [text_of(cell) for cell in next(styles.iter("tr"))]
    assert "semantic (ours) ↑" in head
    assert "Qwen semantic ↑" in head
    ours = [text_of(cell) for cell in list(styles.iter("tr"))[1]]
    assert ours[head.index("DINO ↑")] == ours[head.index("Qwen semantic ↑")] == "–"


def test_the_comparison_names_the_better_run(tree: ET.Element) -> None:
    text = text_of(section(tree, "Comparison"))
    assert "styles, unseen: full" in text
    assert "too few styles or contents" in text  # four photos allow no clear result


def test_the_plots_are_drawings_in_the_pages_colour(page: str, tree: ET.Element) -> None:
    plots = list(section(tree, "Plots").iter("svg"))
    labels = [plot.get("aria-label", "") for plot in plots]
    for expected in (
        "Loss of each training",
        "Content kept",
        "Overlap of the chosen",
        "Use of each expert",
        "t-SNE map",
    ):
        assert any(label.startswith(expected) for label in labels)
    assert all("currentColor" in ET.tostring(plot, encoding="unicode") for plot in plots)
    assert "of the experts are chosen by no style image" in page


def test_the_sheets_of_the_runs_are_inside(tree: ET.Element) -> None:
    assert [each.get("alt") for each in section(tree, "Sheets").iter("img")] == ["styles.png"]


def test_best_and_worst_images_are_small_copies(tree: ET.Element) -> None:
    images = [each.get("src", "") for each in section(tree, "Style experts").iter("img")]
    # Three methods with two best and two worst images, each with its photo.
    assert len(images) == 3 * 4 * 2
    shown = Image.open(io.BytesIO(base64.b64decode(images[0].split(",")[1])))
    assert max(shown.size) <= SIDE
    cards = [text_of(each) for each in section(tree, "Style experts").iter("figcaption") if "seed" in text_of(each)]
    best = [float(re.search(r"texture distance ([\d.]+)", card)[1]) for card in cards[:4]]  # pyright: ignore
    assert best[0] <= best[1] <= best[3] <= best[2]
