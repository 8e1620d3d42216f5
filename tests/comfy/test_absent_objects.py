"""An object that the image does not show gets no style, and the node says so."""

import pytest
import torch

TEXT = "make the guitar in mosaic style and the owl in mosaic style"


@pytest.fixture
def styled(parts, flux, style_expert, siglip):
    """MoE Apply's MODEL with a style on an object; the object needs `least` attention."""
    from styleroute.nodes.styles import moe_apply
    from styleroute.nodes.styles.encode_style import EncodeStyle

    image = torch.rand(1, 40, 60, 3, generator=torch.Generator().manual_seed(1))
    style = EncodeStyle.execute(style_expert, siglip, image).result[0]

    def apply(monkeypatch, phrase, least, model=None):
        monkeypatch.setattr(moe_apply, "least_attention", lambda model: least)
        return moe_apply.MoEApply.execute(model or flux, style_expert, 1.0, style, object=phrase).result[0]

    return apply


def test_an_absent_object_gets_no_style_and_a_warning(flux, styled, prompt, sample, monkeypatch, caplog):
    model = styled(monkeypatch, "the guitar", 1e6)
    found = sample(model, prompt(TEXT), steps=3)
    torch.testing.assert_close(found, sample(flux, prompt(TEXT), steps=3), rtol=1e-5, atol=1e-5)
    assert 'The object "guitar" was not found in the image' in caplog.text


def test_only_the_absent_object_is_left_out(styled, prompt, sample, monkeypatch, caplog):
    owl = styled(monkeypatch, "the owl", 0.0)
    both = styled(monkeypatch, "the guitar", 1e6, owl)
    torch.testing.assert_close(sample(both, prompt(TEXT), steps=3), sample(owl, prompt(TEXT), steps=3))
    assert "guitar" in caplog.text
    assert "owl" not in caplog.text


def test_a_found_object_gives_no_warning(flux, styled, prompt, sample, monkeypatch, caplog):
    found = sample(styled(monkeypatch, "the guitar", 0.0), prompt(TEXT), steps=3)
    assert not torch.allclose(found, sample(flux, prompt(TEXT), steps=3), atol=1e-3)
    assert "was not found" not in caplog.text


def test_the_images_without_the_object_are_named(styled, prompt, sample, monkeypatch, caplog):
    latent = {"samples": torch.zeros(2, 16, 8, 12)}
    sample(styled(monkeypatch, "the guitar", 1e6), prompt(TEXT), steps=2, latent=latent)
    assert "was not found in image 1, 2" in caplog.text


def test_the_shipped_files_say_what_counts_as_absent(parts, flux):
    from styleroute.nodes.branch.object_blocks import least_attention

    assert least_attention(flux) == 0  # nobody measured a model of this size
