"""Mixed styles: embedding, names, thumbnails, and refused combinations."""

import pytest
import torch
from styleroute.moe import Style, StyleExpertError
from styleroute.moe.mixing import mix
from styleroute.moe.style import clean_name, mix_styles, mix_two
from styleroute.moe.thumbnail import SIDE, make_thumbnail, side_by_side


def make_style(seed: int, name: str = "", rows: int = 1, encoder: str = "ab", **fields: object) -> Style:
    generator = torch.Generator().manual_seed(seed)
    return Style(torch.randn(rows, 24, generator=generator), 1, encoder, name, **fields)


def test_several_styles_mix_with_weights():
    styles = [make_style(seed, name) for seed, name in enumerate("abc")]
    mixed = mix_styles(styles, (2, 1, -0.5))
    assert torch.equal(mixed.embedding, mix(torch.cat([style.embedding for style in styles]), (2, 1, -0.5)))
    assert (mixed.name, mixed.num_references, mixed.encoder_id) == ("2 a + 1 b + -0.5 c", 3, "ab")


def test_a_style_with_weight_zero_leaves_no_trace():
    first, second = make_style(0, "a"), make_style(1, "b")
    mixed = mix_two(first, second, 0.0)
    assert torch.equal(mixed.embedding, first.embedding)
    assert (mixed.name, mixed.num_references) == ("a", 1)


def test_styles_per_image_mix_row_by_row():
    mixed = mix_two(make_style(0, rows=3), make_style(1), 0.4)
    assert mixed.embedding.shape == (3, 24)
    with pytest.raises(StyleExpertError, match="holds 3 styles, one per image"):
        mix_styles([make_style(0, rows=3), make_style(1)], (1, 1))


def test_styles_of_different_encoders_do_not_mix():
    for mixing in (lambda one, other: mix_two(one, other, 0.5), lambda one, other: mix_styles([one, other], (1, 1))):
        with pytest.raises(StyleExpertError, match=r"different style encoders \(ab and cd\)"):
            mixing(make_style(0), make_style(1, encoder="cd"))


def test_a_thumbnail_has_64_pixels_and_the_colours_of_the_image():
    red = torch.tensor([1.0, 0, 0]).expand(200, 100, 3)
    small = make_thumbnail(red)
    assert (small.shape, small.dtype) == ((SIDE, 32, 3), torch.uint8)
    assert small.float().mean((0, 1)).tolist() == [255, 0, 0]
    assert make_thumbnail(torch.rand(10, 3000, 4)).shape == (1, SIDE, 3)
    assert make_thumbnail(torch.rand(20, 30, 1)).shape == (20, 30, 3)


def test_a_mix_shows_strips_of_its_thumbnails():
    images = (torch.tensor([1.0, 0, 0]).expand(90, 90, 3), torch.tensor([0, 0, 1.0]).expand(60, 90, 3))
    joined = side_by_side([make_thumbnail(image) for image in images])
    assert joined.shape == (SIDE, SIDE, 3)
    assert joined[:, : SIDE // 2].float().mean((0, 1)).tolist() == [255, 0, 0]
    assert joined[:, SIDE // 2 :].float().mean((0, 1)).tolist() == [0, 0, 255]
    assert side_by_side([]) is None


def test_names_are_short_and_visible():
    assert clean_name("  two\nlines\t\u200b ") == "two lines"
    assert len(clean_name("long " * 100)) <= 80
