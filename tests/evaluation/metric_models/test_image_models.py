"""CLIP, DINO and CSD from folders: equal to a direct computation on the same weights."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from styleroute.errors import DataError
from styleroute.evaluation.metric_models import ClipModel, CsdModel, DinoModel
from styleroute.evaluation.metric_models.openai_vision import image_side, vision_tower
from torch import nn
from torch.nn import functional
from torchvision.transforms.functional import center_crop, normalize, resize, to_tensor

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def test_clip_gives_the_projected_unit_vectors_of_images_and_texts(clip_folder: Path, metric_images) -> None:
    from transformers import CLIPModel, CLIPProcessor

    model, processor = CLIPModel.from_pretrained(clip_folder).eval(), CLIPProcessor.from_pretrained(clip_folder)
    clip, texts = ClipModel.load(clip_folder, device="cpu"), ["pixel art", "a drawing"]
    with torch.no_grad():
        inputs = processor(text=texts, images=metric_images, padding=True, return_tensors="pt")
        expected = model(**inputs)
    torch.testing.assert_close(clip.image_vectors(metric_images), expected.image_embeds, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(clip.text_vectors(texts), expected.text_embeds, atol=1e-5, rtol=1e-5)
    assert clip.width == 16


def test_dino_gives_the_unit_vector_of_the_class_token(dino_folder: Path, metric_images) -> None:
    from transformers import AutoImageProcessor, AutoModel

    model = AutoModel.from_pretrained(dino_folder).eval()
    pixels = AutoImageProcessor.from_pretrained(dino_folder)(images=metric_images, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        output = model(pixels)
    found = DinoModel.load(dino_folder, device="cpu").image_vectors(metric_images)
    torch.testing.assert_close(
        found, functional.normalize(output.last_hidden_state[:, 0], dim=-1), atol=1e-5, rtol=1e-5
    )
    if "dinov" in dino_folder.name:  # DINOv2 and v3 return the same token as their pooled output
        torch.testing.assert_close(found, functional.normalize(output.pooler_output, dim=-1), atol=1e-5, rtol=1e-5)


class Block(nn.Module):
    """A block of OpenAI's vision transformer, with its parameter names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        normed = self.ln_1(states)
        states = states + self.attn(normed, normed, normed, need_weights=False)[0]
        inner = self.mlp["c_fc"](self.ln_2(states))
        return states + self.mlp["c_proj"](inner * torch.sigmoid(1.702 * inner))


def reference_style_vectors(state: dict[str, torch.Tensor], images: list[np.ndarray]) -> torch.Tensor:
    """CSD's formula with torch's own attention, without transformers."""
    tower = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    patch, width = tower["conv1.weight"].shape[-1], tower["class_embedding"].shape[0]
    squares = [center_crop(resize(Image.fromarray(image), 32, 3), 32) for image in images]
    pixels = torch.stack([normalize(to_tensor(square), MEAN, DEVIATION) for square in squares])
    cells = functional.conv2d(pixels, tower["conv1.weight"], stride=patch).flatten(2).transpose(1, 2)
    first = tower["class_embedding"].expand(len(images), 1, width)
    states = torch.cat([first, cells], dim=1) + tower["positional_embedding"]
    states = functional.layer_norm(states, (width,), tower["ln_pre.weight"], tower["ln_pre.bias"])
    for number in range(2):
        start = f"transformer.resblocks.{number}."
        block = Block(width)
        block.load_state_dict({key.removeprefix(start): value for key, value in tower.items() if key.startswith(start)})
        states = block(states)
    pooled = functional.layer_norm(states[:, 0], (width,), tower["ln_post.weight"], tower["ln_post.bias"])
    return functional.normalize(pooled @ state["last_layer_style"], dim=-1)


def test_csd_equals_its_formula_in_openais_layout(csd_state, csd_folder: Path, metric_images) -> None:
    with torch.no_grad():
        expected = reference_style_vectors(csd_state, metric_images)
    found = CsdModel.load(csd_folder, device="cpu").image_vectors(metric_images)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_tower_reads_the_full_size_layout() -> None:
    """Every key and shape of OpenAI's ViT-L/14, on the meta device."""
    width, cells = 1024, 257
    shapes = {"conv1.weight": (width, 3, 14, 14), "class_embedding": (width,), "positional_embedding": (cells, width)}
    norms = ["ln_pre", "ln_post"]
    for block in (f"transformer.resblocks.{number}." for number in range(24)):
        layers = {"attn.out_proj": (width, width), "mlp.c_fc": (4 * width, width), "mlp.c_proj": (width, 4 * width)}
        shapes |= {f"{block}attn.in_proj_weight": (3 * width, width), f"{block}attn.in_proj_bias": (3 * width,)}
        shapes |= {f"{block}{name}.weight": shape for name, shape in layers.items()}
        shapes |= {f"{block}{name}.bias": shape[:1] for name, shape in layers.items()}
        norms += [f"{block}ln_1", f"{block}ln_2"]
    shapes |= {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in shapes.items()}
        tower = vision_tower(state, Path("model.safetensors"), "CSD")
    assert image_side(state) == 224
    assert tower.config.num_attention_heads == 16
    assert sum(parameter.numel() for parameter in tower.parameters()) == 303_179_776


def test_csd_reads_the_checkpoint_of_its_trainer(csd_state, csd_folder: Path, tmp_path: Path, metric_images) -> None:
    """The trainer stores parallel names, the optimizer and its command line beside the weights."""
    module = {f"module.{key}": value for key, value in csd_state.items()}
    extra = {
        "opt_bb": {"state": {}, "param_groups": []},
        "iter": 7,
        "args": argparse.Namespace(arch="vit_large", lr=0.1),
    }
    torch.save({"model_state_dict": module, **extra}, tmp_path / "checkpoint.pth")
    found = CsdModel.load(tmp_path / "checkpoint.pth", device="cpu").image_vectors(metric_images)
    torch.testing.assert_close(found, CsdModel.load(csd_folder, device="cpu").image_vectors(metric_images))


def test_what_is_no_csd_checkpoint_is_refused(csd_state, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    torch.save({"weight": torch.ones(2)}, file)
    with pytest.raises(DataError, match=r"no CSD checkpoint: last_layer_style or backbone.conv1.weight is missing"):
        CsdModel.load(file)
    broken = {key: value for key, value in csd_state.items() if "ln_post" not in key}
    torch.save(broken, file)
    with pytest.raises(DataError, match=r"do not fit CSD .*Expected the published file: download it again"):
        CsdModel.load(file)
    broken = {key: value for key, value in csd_state.items() if "resblocks" not in key}
    torch.save(broken, file)
    with pytest.raises(DataError, match=r"do not fit CSD .*layout of OpenAI's CLIP"):
        CsdModel.load(file)
    file.write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"cannot be read as weights .*download it again"):
        CsdModel.load(file)


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "hacked",))

    torch.save({"model_state_dict": {"a": Hostile()}}, tmp_path / "checkpoint.pth")
    with pytest.raises(DataError, match="cannot be read as weights"):
        CsdModel.load(tmp_path)
    assert not (tmp_path / "hacked").exists()


def test_an_incomplete_folder_is_one_sentence(clip_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((clip_folder / "config.json").read_bytes())
    with pytest.raises(DataError, match=r"CLIP cannot be loaded from .*Expected a whole copy .* download it again"):
        ClipModel.load(tmp_path)
    with pytest.raises(DataError, match=r"holds no weights, expected model.safetensors or"):
        CsdModel.load(tmp_path)
