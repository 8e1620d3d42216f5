"""Encode Style on ComfyUI's own CLIP_VISION."""

import pytest
import torch
from styleroute.comfy_client import find_comfyui
from styleroute.moe import EncoderConfig, StyleExpert, StyleExpertError


@pytest.fixture
def encode(parts):
    from styleroute.nodes.styles.encode_style import EncodeStyle

    return lambda *args: EncodeStyle.execute(*args).result[0]


def test_one_image(style_expert, siglip, encode):
    image = torch.rand(1, 50, 70, 3)
    style = encode(style_expert, siglip, image)
    states = siglip.encode_image(image, crop=False)["all_hidden_states"]
    assert states.shape == (1, 3, 4, 32)
    torch.testing.assert_close(style.embedding, style_expert.encoder(states))
    assert style.num_references == 1


def test_several_images_give_the_mean(style_expert, siglip, encode):
    images = torch.rand(3, 32, 32, 3)
    style = encode(style_expert, siglip, images)
    alone = torch.cat([encode(style_expert, siglip, image).embedding for image in images.split(1)])
    torch.testing.assert_close(style.embedding, alone.mean(0, keepdim=True))
    assert style.num_references == 3


def test_transparent_images_are_read_without_alpha(style_expert, siglip, encode):
    image = torch.rand(1, 32, 32, 4)
    assert torch.equal(
        encode(style_expert, siglip, image).embedding, encode(style_expert, siglip, image[..., :3]).embedding
    )


def test_an_empty_batch_is_refused(style_expert, siglip, encode):
    with pytest.raises(StyleExpertError, match=r"'image' has the shape \[0, 32, 32, 3\]"):
        encode(style_expert, siglip, torch.zeros(0, 32, 32, 3))


def test_another_vision_model_is_refused(parts, style_expert, encode, tmp_path):
    clip = parts.random_vision(parts.CLIP_L, tmp_path)
    with pytest.raises(StyleExpertError, match=r"has 5 tokens of width 32, but .* small.safetensors"):
        encode(style_expert, clip, torch.rand(1, 32, 32, 3))


def test_clip_l_instead_of_siglip_is_refused_with_the_right_name(parts):
    import comfy.clip_vision
    from styleroute.nodes.styles.vision_states import require_vision_model

    config = find_comfyui() / "comfy" / "clip_vision_config_vitl.json"
    sentence = (
        r"has 257 tokens of width 1024, but .* sigclip_vision_patch14_384.safetensors \(729 tokens of width 1152\)"
    )
    with pytest.raises(StyleExpertError, match=sentence):
        require_vision_model(comfy.clip_vision.ClipVisionModel(str(config)), EncoderConfig())


def test_too_few_layers_are_refused(siglip):
    from styleroute.nodes.styles.vision_states import require_vision_model

    config = EncoderConfig(
        taps=(-1, -5),
        num_queries=2,
        num_tokens=4,
        hidden_size=32,
        proj_dim=8,
        cond_dim=32,
        vision_model="deep.safetensors",
    )
    with pytest.raises(StyleExpertError, match="has 3 layers and lacks layer -5"):
        require_vision_model(siglip, config)


def test_a_plain_lora_encodes_no_style(region_expert: StyleExpert, siglip, encode):
    with pytest.raises(StyleExpertError, match="is a plain LoRA of one style"):
        encode(region_expert, siglip, torch.rand(1, 32, 32, 3))


def test_images_of_several_inputs_and_sizes_count_alike(style_expert, siglip, encode):
    batch, other = torch.rand(2, 32, 32, 3), torch.rand(1, 70, 40, 3)
    style = encode(style_expert, siglip, batch, None, other)
    alone = [encode(style_expert, siglip, image).embedding for image in (*batch.split(1), other)]
    assert torch.equal(style.embedding, torch.cat(alone).mean(0, keepdim=True))
    assert style.num_references == 3
    per_image = encode(style_expert, siglip, batch, None, other, None, "", "one style per image")
    assert torch.equal(per_image.embedding, torch.cat(alone))


def test_weights_mix_the_images(style_expert, siglip, encode):
    from styleroute.moe.mixing import mix

    images = torch.rand(3, 32, 32, 3)
    alone = torch.cat([encode(style_expert, siglip, image).embedding for image in images.split(1)])
    style = encode(style_expert, siglip, images, None, None, None, "2; 1,-0.5")
    assert torch.equal(style.embedding, mix(alone, (2, 1, -0.5)))
    only = encode(style_expert, siglip, images, None, None, None, "0 1 0")
    assert torch.equal(only.embedding, alone[1:2])


@pytest.mark.parametrize(
    ("weights", "combine", "sentence"),
    [
        ("1, 2", "mean of the references", "There are 2 weights for 3 styles"),
        ("1, two, 3", "mean of the references", "The weights are '1, two, 3', expected 3 numbers"),
        ("1,5 1 1", "mean of the references", "There are 4 weights for 3 styles"),
        ("1, -1, 0", "mean of the references", "expected finite numbers with a sum above 0"),
        ("nan 1 1", "mean of the references", "expected finite numbers"),
        ("1 1 1", "one style per image", "does not combine the images"),
    ],
)
def test_weights_that_do_not_fit_are_refused(style_expert, siglip, encode, weights, combine, sentence):
    with pytest.raises(StyleExpertError, match=sentence):
        encode(style_expert, siglip, torch.rand(3, 32, 32, 3), None, None, None, weights, combine)


def test_the_thumbnail_shows_the_images(style_expert, siglip, encode):
    images = torch.zeros(2, 100, 50, 3)
    images[1] = 1
    assert encode(style_expert, siglip, images[:1]).thumbnail.shape == (64, 32, 3)
    both = encode(style_expert, siglip, images).thumbnail
    assert both[:, :32].unique().tolist() == [0]
    assert both[:, 32:].unique().tolist() == [255]


def test_progress_counts_the_images(style_expert, siglip, encode, monkeypatch):
    import comfy.utils

    class Bar:
        """ComfyUI's own bar leaves out updates that follow each other quickly."""

        def __init__(self, total: int):
            reported.append(total)

        def update(self, value: int) -> None:
            reported.append(value)

    reported = []
    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    encode(style_expert, siglip, torch.rand(3, 32, 32, 3))
    assert reported == [3, 1, 1, 1]


def test_an_interrupt_ends_the_work_before_the_next_image(style_expert, siglip, encode, monkeypatch):
    import comfy.model_management
    from styleroute.nodes.styles import encode_style

    encoded, states = [], encode_style.hidden_states(siglip, torch.rand(1, 32, 32, 3))

    def encode_then_interrupt(*_):  # without ComfyUI's own code, which looks for interrupts too
        encoded.append(states)
        comfy.model_management.interrupt_current_processing(len(encoded) == 2)
        return states

    monkeypatch.setattr(encode_style, "hidden_states", encode_then_interrupt)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        encode(style_expert, siglip, torch.rand(5, 32, 32, 3))
    assert len(encoded) == 2
