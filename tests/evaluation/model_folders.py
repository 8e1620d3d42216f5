"""Small random models of the metrics' real classes, in folders of the published layouts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

SIDE = 32
"""Height and width of the images that the small vision towers read."""
CSD_WIDTH, CSD_PATCH, CSD_BLOCKS, CSD_STYLE = 128, 8, 2, 24
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 8,
}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>")  # fmt: skip


def randomise(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give a model weights that are large enough for clear differences between images."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                width = parameter[0].numel()
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 1.5 / width**0.5)
    return model.eval()


@pytest.fixture(scope="session")
def metric_images() -> list[np.ndarray]:
    """Three images of different sizes: colour squares, stripes, and a smooth ramp."""
    rng = np.random.default_rng(0)
    squares = np.kron(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    stripes = np.zeros((64, 80, 3), np.uint8)
    stripes[:, ::4] = (255, 180, 20)
    ramp = np.linspace(0, 255, 72, dtype=np.uint8)[:, None, None].repeat(64, 1).repeat(3, 2)
    return [squares, stripes, ramp]


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with image processor and a tokenizer of single letters."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    words = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    last = len(words) - 1
    text = {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "bos_token_id": last - 1, "eos_token_id": last, "pad_token_id": last,
    }  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16))
    randomise(model).save_pretrained(folder)
    vocabulary = {word: index for index, word in enumerate(words)}
    CLIPProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=["dinov2", "dinov3", "dinov3-convnext", "dino"])
def dino_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of each generation of DINO."""
    import transformers as tr

    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "dinov2":
        model = tr.Dinov2Model(tr.Dinov2Config(**VISION))
    elif request.param == "dinov3":
        model = tr.DINOv3ViTModel(tr.DINOv3ViTConfig(**VISION, num_register_tokens=4))
    elif request.param == "dinov3-convnext":
        model = tr.DINOv3ConvNextModel(tr.DINOv3ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]))
    else:
        model = tr.ViTModel(tr.ViTConfig(**VISION), add_pooling_layer=False)
    randomise(model).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    tr.ViTImageProcessor(size=size, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="session")
def csd_state() -> dict[str, torch.Tensor]:
    """CSD's tensors in the names and shapes of the published checkpoint, with a small width."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 1.5 / (shape[-1] if len(shape) < 4 else 192) ** 0.5

    width, cells = CSD_WIDTH, (SIDE // CSD_PATCH) ** 2
    state = {
        "conv1.weight": random(width, 3, CSD_PATCH, CSD_PATCH),
        "class_embedding": random(width),
        "positional_embedding": random(cells + 1, width),
    }
    norms = ["ln_pre", "ln_post"]
    for block in (f"transformer.resblocks.{number}." for number in range(CSD_BLOCKS)):
        state[f"{block}attn.in_proj_weight"], state[f"{block}attn.in_proj_bias"] = (
            random(3 * width, width),
            random(3 * width),
        )
        for name, rows, columns in (("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width),
                                    ("mlp.c_proj", width, 4 * width)):  # fmt: skip
            state[f"{block}{name}.weight"], state[f"{block}{name}.bias"] = random(rows, columns), random(rows)
        norms += [f"{block}ln_1", f"{block}ln_2"]
    for name in norms:
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + random(width), random(width)
    heads = {"last_layer_style": random(width, CSD_STYLE), "last_layer_content": random(width, CSD_STYLE)}
    return {**{f"backbone.{key}": value for key, value in state.items()}, **heads}


@pytest.fixture(scope="session")
def csd_folder(csd_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CSD as it lies at Hugging Face: one safetensors file."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("csd")
    save_file(csd_state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def lpips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torchvision's SqueezeNet with random weights, under the name of the published file."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("lpips") / "squeezenet1_1-b8a52dc0.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
    return file


@pytest.fixture(scope="session", params=["qwen2.5", "qwen3"])
def vlm_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL and a Qwen3-VL with processor, chat template and a tokenizer that knows "yes" and "no"."""
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = _qwen_tokenizer()
    build = _qwen2_5 if request.param == "qwen2.5" else _qwen3
    model, processor = build(tokenizer)
    randomise(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _qwen_tokenizer():
    """A byte-level BPE with the words "yes", "no", "Yes" and "No"."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    words = [*sorted(ByteLevel.alphabet()), "ye", "yes", "no", "Ye", "Yes", "No"]
    merges = [("y", "e"), ("ye", "s"), ("n", "o"), ("Y", "e"), ("Ye", "s"), ("N", "o")]
    vocabulary = {word: index for index, word in enumerate([*words, *SPECIAL])}
    return Qwen2Tokenizer(vocab=vocabulary, merges=merges, additional_special_tokens=list(SPECIAL[1:]))


def _token_ids(tokenizer) -> dict[str, int]:
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    words = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    return {name: tokenizer.convert_tokens_to_ids(word) for name, word in zip(names, words, strict=True)}


def _text(tokenizer, **more) -> dict:
    return {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": False,
        "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0, **more,
    }  # fmt: skip


def _qwen2_5(tokenizer):
    import transformers as tr

    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 14, "out_hidden_size": 32,
        "spatial_merge_size": 2, "fullatt_block_indexes": [1], "window_size": 56,
    }  # fmt: skip
    config = tr.Qwen2_5_VLConfig(
        text_config=_text(tokenizer, rope_parameters=rope, head_dim=16), vision_config=vision, **_token_ids(tokenizer)
    )
    processor = tr.Qwen2_5_VLProcessor(
        image_processor=tr.Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=112 * 112),
        tokenizer=tokenizer, video_processor=tr.Qwen2VLVideoProcessor(), chat_template=CHAT,
    )  # fmt: skip
    return tr.Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3(tokenizer):
    import transformers as tr

    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3], "mrope_interleaved": True}
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 16, "out_hidden_size": 32,
        "spatial_merge_size": 2, "num_position_embeddings": 64, "deepstack_visual_indexes": [0],
    }  # fmt: skip
    config = tr.Qwen3VLConfig(
        text_config=_text(tokenizer, rope_parameters=rope, head_dim=16), vision_config=vision, **_token_ids(tokenizer)
    )
    processor = tr.Qwen3VLProcessor(
        image_processor=tr.Qwen2VLImageProcessor(min_pixels=32 * 32, max_pixels=128 * 128, patch_size=16),
        tokenizer=tokenizer, video_processor=tr.Qwen3VLVideoProcessor(), chat_template=CHAT,
    )  # fmt: skip
    return tr.Qwen3VLForConditionalGeneration(config), processor
