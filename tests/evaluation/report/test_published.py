"""The papers' figures are those of the papers' tables, in our units."""

import pytest
from styleroute.evaluation.paper_scores import REGION_ROUTE_COLUMNS, STYLE_EXPERT_COLUMNS
from styleroute.evaluation.report.published import QWEN_SEMANTIC, published_rows, published_sources

STYLE_EXPERT = """
CSGO 63.41 65.50 61.07 6.28 28.93 42.39
DreamO 64.14 62.68 47.91 6.20 19.29 44.95
OmniGen2 67.07 63.06 55.61 6.13 23.69 41.55
OmniStyle 65.39 72.27 59.65 6.07 40.00 41.83
Qwen-Image-Edit 67.47 55.86 56.74 6.20 42.74 34.47
USO 69.39 84.03 53.60 6.30 19.88 48.62
StyleExpert 70.19 64.72 73.18 6.48 75.12 28.18
"""
"""The paper's main table: CLIP, DINO, CSD, aesthetic score, Qwen semantic score, DreamSim."""
STYLE_ABLATION = """
LoRA Training 67.33 70.88 70.71 36.77
MoE Training (No Style Encoder) 67.83 66.70 71.43 38.54
StyleExpert (Full) 70.19 73.18 75.12 28.18
"""
"""CLIP, CSD, Qwen semantic score, DreamSim."""
REGION_ROUTE = """
Flux.1-Kontext 0.6126 0.4546 0.1699
Qwen-Image-Edit 0.6235 0.7530 0.4398
Style-Editor 0.6071 0.2235 0.0093
ICEdit 0.6086 0.3512 0.1568
AnyEdit 0.6085 0.6895 0.2633
Instruct-Pix2Pix 0.5978 0.1867 0.0516
SD2-Inpainting 0.6028 0.0859 0.0039
RegionRoute 0.6128 0.2103 0.0729
"""
"""RSM, LPIPS and MSE of the background, on COCO."""
QUESTIONS = """
Qwen-Image-Edit 0.98 0.86 0.01 0.00
Flux.1-Kontext 0.63 0.44 0.08 0.06
AnyEdit 0.50 0.41 0.57 0.47
RegionRoute 0.73 0.07 0.12 0.00
"""
REGION_ABLATION = """
Full(rank=4) 0.6128 0.2103 0.0729
w/o Lcover 0.6120 0.2174 0.0730
w/o Lfocus 0.6127 0.2132 0.0740
w/o Double (LoRA added only to Single stream) 0.6168 0.4225 0.1409
w/o Single (LoRA added only to Double stream) 0.6190 0.5203 0.2284
Rank=8 0.6137 0.2007 0.0752
Rank=16 0.6126 0.1876 0.0671
"""
HUNDREDTHS = {"clip": 100, "dino": 100, "csd": 100, "qwen_semantic": 100, "dreamsim": 100}
"""The factor from our unit to the paper's."""


@pytest.mark.parametrize(
    ("protocol", "is_ablation", "text", "keys"),
    [
        ("paper-styles", False, STYLE_EXPERT, ("clip", "dino", "csd", "aesthetic", "qwen_semantic", "dreamsim")),
        ("paper-styles", True, STYLE_ABLATION, ("clip", "csd", "qwen_semantic", "dreamsim")),
        ("paper-regions", False, REGION_ROUTE, ("rsm", "background_lpips", "background_mse")),
        ("paper-regions", False, QUESTIONS, tuple(column.key for column in REGION_ROUTE_COLUMNS[3:])),
        ("paper-regions", True, REGION_ABLATION, ("rsm", "background_lpips", "background_mse")),
    ],
)
def test_the_rows_are_those_of_the_paper(protocol: str, is_ablation: bool, text: str, keys: tuple[str, ...]) -> None:
    rows = {row.method: row for row in published_rows(protocol) if row.is_ablation == is_ablation}
    lines = text.strip().splitlines()
    for line in lines:
        *words, name_end = line.split()
        words.append(name_end)
        method, figures = " ".join(words[: -len(keys)]), words[-len(keys) :]
        found = [f"{rows[method].values[key] * HUNDREDTHS.get(key, 1):.4f}" for key in keys]
        assert found == [f"{float(figure):.4f}" for figure in figures]
    assert len(rows) == len(lines) or keys == tuple(column.key for column in REGION_ROUTE_COLUMNS[3:])


def test_every_figure_belongs_to_one_of_our_metrics_or_is_the_papers_own() -> None:
    for protocol, columns in (("paper-styles", STYLE_EXPERT_COLUMNS), ("paper-regions", REGION_ROUTE_COLUMNS)):
        known = {column.key for column in columns} | {QWEN_SEMANTIC.key}
        assert all(row.values.keys() <= known for row in published_rows(protocol))
        assert all("CVPR 2026, arXiv" in source for source in published_sources(protocol))
    assert published_rows("steering") == []


def test_a_system_of_two_tables_is_one_row() -> None:
    [row] = [row for row in published_rows("paper-regions") if row.method == "AnyEdit"]
    assert (row.values["rsm"], row.values["object_in_style"]) == (0.6085, 0.50)
    assert (row.paper, row.data) == ("RegionRoute", "COCO")
