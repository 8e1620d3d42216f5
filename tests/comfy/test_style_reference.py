"""Experts that were trained with the style image warn if they are sampled without it, and only then."""

import time

import pytest
import torch
import websocket

from .test_server import sampling, styling

STYLE_WIDTH = 32
TEXT_EVENT = 3
SECONDS = 60.0
WARNING = "style image as a second reference"


@pytest.fixture
def styled(flux):
    """Applies an expert with MoE Apply: the styled model."""
    from styleroute.nodes.styles.moe_apply import MoEApply
    from styleroute.nodes.styles.style_types import Style, encoder_id

    def apply(expert, strength=1.0):
        style = Style(torch.ones(1, STYLE_WIDTH), 1, encoder_id(expert.encoder))
        return MoEApply.execute(flux, expert, strength, style).result[0]

    return apply


def _warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if WARNING in record.getMessage()]


def test_too_few_references_give_one_warning_per_run(styled, shown_expert, sample, plain, with_reference, caplog):
    model, text = styled(shown_expert), plain("a cat")
    sample(model, text)
    sample(model, with_reference(text))
    none, one = _warnings(caplog)
    assert "shown.safetensors was trained with the style image" in none
    assert "the prompt has no reference latent. Add a Reference Latent" in none
    assert "the prompt has one reference latent only" in one


@pytest.fixture
def with_both(plain, with_reference):
    """A prompt with two reference latents and a reference method."""

    def refer(**method):
        return [
            [text, {**options, "reference_latents": 2 * options["reference_latents"], **method}]
            for text, options in with_reference(plain("a cat"))
        ]

    return refer


def test_both_references_with_the_index_method_give_no_warning(styled, shown_expert, sample, with_both, caplog):
    sample(styled(shown_expert), with_both(reference_latents_method="index"))
    assert not _warnings(caplog)


def test_both_references_with_another_method_give_a_warning(styled, shown_expert, sample, with_both, caplog):
    sample(styled(shown_expert), with_both(reference_latents_method="uxo"))
    sample(styled(shown_expert), with_both())
    uxo, default = _warnings(caplog)
    assert "the prompt uses 'uxo'. Add FluxKontextMultiReferenceLatentMethod with 'index'" in uxo
    assert "the prompt uses 'offset'" in default


@pytest.mark.parametrize(
    ("style_images", "images", "line"),
    [
        (1, 4, None),
        (2, 4, "Images 1, 3: style image 1; Images 2, 4: style image 2."),
        (2, 12, "Images 1, 3, 5, 7, …: style image 1; Images 2, 4, 6, 8, …: style image 2."),
        (3, 2, "Image 1: style image 1; Image 2: style image 2."),
    ],
)
def test_a_batch_of_style_images_says_which_image_follows_which(
    shown_expert, styled, sample, plain, caplog, style_images, images, line
):
    references = [torch.zeros(1, 16, 8, 12), torch.zeros(style_images, 16, 8, 12)]
    text = [[text, {**options, "reference_latents": references}] for text, options in plain("a cat")]
    text = [[text, {**options, "reference_latents_method": "index"}] for text, options in text]
    sample(styled(shown_expert), text, latent={"samples": torch.zeros(images, 16, 8, 12)}, steps=1)
    sentences = [record.getMessage() for record in caplog.records if "gives them to the sampled" in record.getMessage()]
    assert len(sentences) == (line is not None)
    assert line is None or (line in sentences[0] and f"has {style_images} images" in sentences[0])


def test_what_comfyui_does_with_a_batch_of_style_images(shown_expert, styled, sample, plain):
    """The reason for the warning: of four images, 1 and 3 are equal, 2 and 4 are equal, and 1 and 2 differ."""
    styles = torch.randn(2, 16, 8, 12, generator=torch.Generator().manual_seed(1))
    references = {"reference_latents": [torch.zeros(1, 16, 8, 12), styles], "reference_latents_method": "index"}
    text = [[text, {**options, **references}] for text, options in plain("a cat")]
    latent = {"samples": torch.zeros(4, 16, 8, 12), "batch_index": [0, 0, 0, 0]}  # one noise for all images
    images = sample(styled(shown_expert), text, latent=latent, steps=1)
    torch.testing.assert_close(images[0], images[2])
    torch.testing.assert_close(images[1], images[3])
    assert (images[0] - images[1]).abs().max() > 1e-3


@pytest.mark.parametrize("references", [0, 1, 2])
def test_a_warning_below_the_node_is_one_line_and_disappears(styled, shown_expert, parts, monkeypatch, references):
    from styleroute.nodes.styles import style_reference

    latents = [torch.zeros(1, 16, 8, 12)] * references
    conds = {"positive": [{"reference_latents": latents, "reference_latents_method": "uxo"}]}
    notice = style_reference._notice("shown.safetensors", conds, "offset", 1, 1)
    assert len(notice.line) <= 45
    assert "\n" not in notice.line
    assert "shown.safetensors" in notice.sentence


def test_a_model_whose_default_method_is_index_gives_no_warning(styled, shown_expert, sample, with_both, caplog):
    model = styled(shown_expert)
    model.add_object_patch("diffusion_model.params.default_ref_method", "index")
    sample(model, with_both())
    assert not _warnings(caplog)


def test_other_experts_and_strength_zero_give_no_warning(styled, style_expert, shown_expert, sample, plain, caplog):
    sample(styled(style_expert), plain("a cat"))
    sample(styled(shown_expert, strength=0.0), plain("a cat"))
    assert not _warnings(caplog)


def test_the_image_is_the_same_with_the_warning(styled, style_expert, shown_expert, sample, plain):
    quiet, loud = (sample(styled(expert), plain("a cat")) for expert in (style_expert, shown_expert))
    assert torch.equal(quiet, loud)


@pytest.mark.comfy
def test_the_page_shows_the_warning_below_the_node(server, tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    prompt = styling(server.upload_image(tmp_path / "red.png"))
    prompt["3"]["inputs"]["expert"] = "shown.safetensors"
    page = websocket.create_connection(
        server.url.replace("http", "ws", 1) + "/ws?clientId=page", timeout=SECONDS, http_no_proxy=["*"]
    )
    try:
        server.run(prompt | sampling(["5", 0], "shown"))
        assert _text_of_node(page) == "5"
    finally:
        page.close()


def _text_of_node(page: websocket.WebSocket) -> str:
    """Id of the node for which ComfyUI sends the next text."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        message = page.recv()
        if isinstance(message, bytes) and int.from_bytes(message[:4], "big") == TEXT_EVENT:
            length = int.from_bytes(message[4:8], "big")
            text = message[8 + length :].decode()
            if text.strip():  # a node's earlier text is replaced by a space
                assert WARNING in text
                return message[8 : 8 + length].decode()
    raise AssertionError("the server sent no text")
