import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from styleroute.errors import TrainingError
from styleroute.evaluation.styles.config import StyleEvaluationConfig
from styleroute.evaluation.styles.methods import GUIDED, NO_ENCODER, SINGLE_LORA, WIDE, all_methods, available_methods
from styleroute.evaluation.styles.sampling import Sampling
from styleroute.paths import TINY_MODELS

SHIPPED = TINY_MODELS / "style_experts" / "tiny_styles.safetensors"


@pytest.fixture
def config(tmp_path: Path) -> StyleEvaluationConfig:
    """Only the shipped experts exist."""
    missing = tmp_path / "missing.safetensors"
    return StyleEvaluationConfig(full=missing, style_reference=missing, single_lora=missing, no_encoder=missing)


@pytest.fixture
def write_shipped(tmp_path: Path) -> Callable[..., Path]:
    """Writes the shipped experts with changes in their training summary."""

    def write(**training: Any) -> Path:
        with safe_open(SHIPPED, "pt") as file:
            header = json.loads(file.metadata()["styleroute"])
        tensors = load_file(SHIPPED)
        header["training"] |= training
        save_file(tensors, path := tmp_path / "changed.safetensors", {"styleroute": json.dumps(header)})
        return path

    return write


def test_experts_trained_without_the_style_image_are_refused(config, write_shipped) -> None:
    file = write_shipped(style_reference=False)
    with pytest.raises(TrainingError, match="trained without the style image"):
        available_methods(all_methods(replace(config, style_reference=file)))


def test_moe_apply_moves_the_style_image_to_the_rows_of_the_training(config, write_shipped) -> None:
    file = write_shipped(style_reference=True, style_rows=64)
    assert available_methods(all_methods(replace(config, style_reference=file)))


def test_only_methods_with_an_encoder_compare_its_digest(config, write_shipped) -> None:
    file = write_shipped(condition_digest="of the encoder", schedule="cosine", warmup=50)
    for method in all_methods(
        replace(config, full=file, style_reference=file, wide=file, single_lora=file, no_encoder=file)
    ):
        assert method.compared_settings.get("condition_digest") == (
            "of the encoder" if method.condition == "style-encoder" else None
        )
        assert (method.compared_settings["schedule"], method.compared_settings["warmup"]) == ("cosine", 50)


def test_methods_without_a_file_are_left_out_by_name(config, capsys) -> None:
    assert [method.name for method in available_methods(all_methods(config))] == [WIDE, GUIDED]
    printed = capsys.readouterr().out
    assert printed.count("Left out") == 4
    assert SINGLE_LORA in printed
    assert NO_ENCODER in printed


def test_without_any_file_the_evaluation_is_refused(config, tmp_path) -> None:
    with pytest.raises(TrainingError, match="train experts, or give --full"):
        available_methods(all_methods(replace(config, wide=tmp_path / "none.safetensors")))


def test_methods_keep_the_order_of_the_table(config, write_moe, write_lora, write_shipped) -> None:
    full = write_shipped(style_reference=False)
    config = replace(config, full=full, style_reference=SHIPPED, single_lora=write_lora(), no_encoder=write_moe())
    assert [method.condition for method in available_methods(all_methods(config))] == [
        "none", "pooled-latents", "style-encoder", "style-encoder", "style-encoder", "style-encoder",
    ]  # fmt: skip


@pytest.mark.parametrize("field", ["full", "style_reference", "single_lora"])
def test_a_file_of_another_kind_is_refused(config, write_moe, field: str) -> None:
    with pytest.raises(TrainingError, match="does not fit"):
        available_methods(all_methods(replace(config, **{field: write_moe()})))


def test_routers_of_another_width_are_refused(config, write_moe) -> None:
    with pytest.raises(TrainingError, match="routed by 256 pooled latents"):
        available_methods(all_methods(replace(config, no_encoder=write_moe(cond_dim=384))))


def test_experts_of_another_model_are_refused(config, write_moe) -> None:
    with pytest.raises(TrainingError, match=r"'flux-kontext', expected 'tiny-kontext'"):
        available_methods(all_methods(replace(config, no_encoder=write_moe(base="flux-kontext"))))


def test_other_weights_have_another_folder(config, write_moe) -> None:
    def folder(file: Path) -> str:
        return next(m.images_folder for m in all_methods(replace(config, no_encoder=file)) if m.name == NO_ENCODER)

    first, second = write_moe(name="first"), write_moe(name="second", seed=1)
    assert folder(first) != folder(second)
    assert folder(first) == folder(first)
    assert folder(first).startswith("moe_without_style_encoder-")


def test_experts_trained_on_other_base_weights_are_reported(config, write_moe, capsys) -> None:
    available_methods(all_methods(config))
    assert "other weights" not in capsys.readouterr().out
    available_methods(all_methods(replace(config, no_encoder=write_moe())))
    printed = " ".join(capsys.readouterr().out.split())
    assert "moe.safetensors was trained on other weights of tiny-kontext (not recorded)" in printed
    assert printed.count("other weights") == 1


def test_the_guided_row_has_its_own_sampling_and_images(config) -> None:
    assert [method.name for method in available_methods(all_methods(replace(config, content=1)))] == [WIDE]
    plain, guided = available_methods(all_methods(replace(config, steps=30, content=3, guided_steps=6)))
    assert (plain.sampling, guided.sampling) == (Sampling(30), Sampling(6, content=3))
    assert plain.images_folder != guided.images_folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photos": 0}, "photos is 0, expected 1 or more"),
        ({"styles": 0}, "styles is 0"),
        ({"sheet_size": (5, 0)}, "photos on the sheet is 0"),
        ({"loss_photos": -1}, "loss_photos is -1, expected 0 or more"),
        ({"content": float("nan")}, "content is nan"),
    ],
)
def test_impossible_numbers_are_refused(options: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        StyleEvaluationConfig(**options)
