import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from styleroute.errors import TrainingError
from styleroute.evaluation.styles.config import EvidenceConfig
from styleroute.evaluation.styles.methods import NO_ENCODER, SINGLE_LORA, WIDE, all_methods, present
from styleroute.paths import TINY_MODELS

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture
def config(tmp_path: Path) -> EvidenceConfig:
    """Nothing but the shipped experts is there."""
    missing = tmp_path / "missing.safetensors"
    return EvidenceConfig(full=missing, style_reference=missing, single_lora=missing, no_encoder=missing)


@pytest.fixture
def retold(tmp_path: Path) -> Callable[..., Path]:
    """Writes the shipped experts, with something else told of their training."""

    def write(**training: Any) -> Path:
        with safe_open(SHIPPED, "pt") as file:
            told = json.loads(file.metadata()["styleroute"])
        tensors = load_file(SHIPPED)
        told["training"] |= training
        save_file(tensors, path := tmp_path / "retold.safetensors", {"styleroute": json.dumps(told)})
        return path

    return write


@pytest.mark.parametrize(
    ("training", "said"),
    [({"style_reference": False}, "trained without the style image"), ({"style_rows": 64}, "64 rows below")],
)
def test_experts_are_painted_as_they_were_trained_or_refused(config, retold, training: dict, said: str) -> None:
    file = retold(**{"style_reference": True, **training})
    with pytest.raises(TrainingError, match=said):
        present(all_methods(replace(config, style_reference=file)))


def test_the_encoder_is_compared_among_those_that_read_it_alone(config, retold) -> None:
    file = retold(condition_digest="of the encoder", schedule="cosine", warmup=50)
    for method in all_methods(
        replace(config, full=file, style_reference=file, wide=file, single_lora=file, no_encoder=file)
    ):
        assert method.compared.get("condition_digest") == (
            "of the encoder" if method.reads == "style-encoder" else None
        )
        assert (method.compared["schedule"], method.compared["warmup"]) == ("cosine", 50)


def test_what_is_not_there_is_left_out_by_name(config, capsys) -> None:
    assert [method.name for method in present(all_methods(config))] == [WIDE]
    said = capsys.readouterr().out
    assert said.count("Left out") == 4
    assert SINGLE_LORA in said
    assert NO_ENCODER in said


def test_without_any_file_there_is_nothing_to_do(config, tmp_path) -> None:
    with pytest.raises(TrainingError, match="train experts, or give --full"):
        present(all_methods(replace(config, wide=tmp_path / "none.safetensors")))


def test_all_are_there_in_the_tables_order(config, write_moe, write_lora, retold) -> None:
    full = retold(style_reference=False)
    config = replace(config, full=full, style_reference=SHIPPED, single_lora=write_lora(), no_encoder=write_moe())
    assert [method.reads for method in present(all_methods(config))] == [
        "none", "pooled-latents", "style-encoder", "style-encoder", "style-encoder",
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["full", "style_reference", "single_lora"])
def test_a_file_of_another_kind_is_refused(config, write_moe, field: str) -> None:
    with pytest.raises(TrainingError, match="does not fit"):
        present(all_methods(replace(config, **{field: write_moe()})))


def test_routers_of_another_width_are_refused(config, write_moe) -> None:
    with pytest.raises(TrainingError, match="routed by 256 pooled latents"):
        present(all_methods(replace(config, no_encoder=write_moe(cond_dim=384))))


def test_experts_of_another_model_are_refused(config, write_moe) -> None:
    with pytest.raises(TrainingError, match=r"'flux-kontext', expected 'tiny-kontext'"):
        present(all_methods(replace(config, no_encoder=write_moe(base="flux-kontext"))))


def test_other_weights_have_another_folder(config, write_moe) -> None:
    def key(file: Path) -> str:
        return next(m.key for m in all_methods(replace(config, no_encoder=file)) if m.name == NO_ENCODER)

    first, second = write_moe(name="first"), write_moe(name="second", seed=1)
    assert key(first) != key(second)
    assert key(first) == key(first)
    assert key(first).startswith("moe_without_style_encoder-")


def test_experts_of_other_weights_of_the_base_are_told_of(config, write_moe, capsys) -> None:
    present(all_methods(config))
    assert "other weights" not in capsys.readouterr().out
    present(all_methods(replace(config, no_encoder=write_moe())))
    said = " ".join(capsys.readouterr().out.split())
    assert "moe.safetensors was trained on other weights of tiny-kontext (it does not tell which)" in said
    assert said.count("other weights") == 1


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(TrainingError, match="photos is 0"):
        EvidenceConfig(photos=0)
