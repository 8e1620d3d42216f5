"""All of it on handmade triplets, with the shipped experts; only ComfyUI and the judge are stand-ins."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image
from styleroute.cli.evaluate import styles
from styleroute.errors import StorageError
from styleroute.evaluation.report import EVIDENCE_FILE
from styleroute.evaluation.styles import gather
from styleroute.evaluation.styles.config import EvidenceConfig
from styleroute.evaluation.styles.gather import gather_evidence
from styleroute.evaluation.styles.methods import NO_ENCODER, SINGLE_LORA, WIDE
from styleroute.evaluation.styles.overlap import CHANCE, SAME


@contextmanager
def copy_style() -> Iterator:
    """Paints nothing: the style image itself comes back."""
    yield lambda job: Image.open(job.style).convert("RGB").resize((256, 256))


@contextmanager
def nothing() -> Iterator:
    raise AssertionError("everything is painted already")
    yield


@pytest.fixture
def config(data, tmp_path, write_lora, write_moe) -> EvidenceConfig:
    return EvidenceConfig(
        data=data,
        full=tmp_path / "missing.safetensors",
        single_lora=write_lora(),
        no_encoder=write_moe(),
        style_reference=tmp_path / "missing.safetensors",
        photos=2,
        seeds=2,
        output=tmp_path / "evidence",
    )


def test_tables_images_and_json_come_out_and_a_second_run_paints_nothing(
    config, judge, monkeypatch, capsys, tmp_path
) -> None:
    monkeypatch.setattr(gather.gather_evidence, "__defaults__", (copy_style, judge))
    styles(config)
    said = capsys.readouterr().out
    assert "full + style reference, as there is no" in said
    assert "2 unseen styles, unseen photos" in said
    assert "Verdict on 15 expected orders" in said
    report = json.loads((config.output / EVIDENCE_FILE).read_text())
    assert report["left_out"] == ["full", "full + style reference"]
    assert {row["name"] for row in report["overlap"]["rows"]} >= {SAME, CHANCE}
    assert all(row["untrained"] is not None for row in report["overlap"]["rows"] if row["name"] != CHANCE)
    losses = {row["method"]: row["means"]["loss"]["mean"] for row in report["losses"]}
    assert set(losses) == {"no experts", SINGLE_LORA, NO_ENCODER, WIDE}
    rows = {row["method"]: row for row in report["groups"][0]["rows"]}
    assert [len(rows[name]["images"]) for name in (SINGLE_LORA, NO_ENCODER, WIDE)] == [8, 8, 8]
    assert rows[WIDE]["means"]["judge"]["mean"] > rows["photo, unchanged"]["means"]["judge"]["mean"]
    assert (Image.open(config.output / "sheet.jpg").width, Image.open(config.output / "methods.png").height) > (
        500,
        500,
    )
    again = gather_evidence(replace(config, seen=True, photos=2, sheet=tmp_path / "readme.png"), copy_style, judge)
    assert [group.kind for group in again.groups] == ["unseen", "seen"]
    assert (tmp_path / "readme.png").exists()
    gather_evidence(config, nothing, judge)


def test_a_sheet_of_another_format_is_refused_before_anything(config, judge, tmp_path) -> None:
    with pytest.raises(StorageError, match="the contact sheet is"):
        gather_evidence(replace(config, sheet=tmp_path / "sheet.gif"), nothing, judge)
