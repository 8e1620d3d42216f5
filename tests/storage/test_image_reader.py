"""The image reader: every mode becomes upright sRGB, and every bad file becomes one clear error."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from styleroute.errors import DataError
from styleroute.storage import image_reader
from styleroute.storage.image_reader import image_size, is_animated, read_image, read_image_with_alpha, read_mask

RED, WHITE = (255, 0, 0), (255, 255, 255)


def _saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def _pixel(path: Path, place: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    image = read_image(path)
    assert image.mode == "RGB"
    return image.getpixel(place)


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_a_rotated_image_becomes_upright(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGB", (32, 64))
    image.paste(RED, (0, 0, 32, 32))  # the upper half; orientation 6 turns it to the right
    path = _saved(tmp_path / f"turned.{suffix}", image, exif=_exif(6))
    upright = read_image(path)
    assert upright.size == image_size(path) == (64, 32)
    assert upright.getpixel((60, 16))[0] > 200
    assert upright.getpixel((4, 16))[0] < 50


def test_all_orientations_match_pillow(tmp_path: Path) -> None:
    from PIL import ImageOps

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for orientation in range(1, 9):
        path = _saved(tmp_path / f"{orientation}.png", Image.fromarray(pixels), exif=_exif(orientation))
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
        assert np.array_equal(np.asarray(read_image(path)), expected)
        assert image_size(path) == expected.shape[1::-1]


def test_broken_exif_is_ignored(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.png", Image.new("RGB", (4, 6), RED), exif=b"Exif\0\0no header")
    assert _pixel(path) == RED
    assert image_size(path) == (4, 6)


def _swapped_profile() -> bytes:
    """An sRGB profile whose red and green primaries are exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize(("mode", "colour"), [("RGB", RED), ("RGBA", (*RED, 255))])
def test_a_profile_is_converted_to_srgb(tmp_path: Path, mode: str, colour: tuple[int, ...]) -> None:
    path = _saved(tmp_path / "a.png", Image.new(mode, (4, 4), colour), icc_profile=_swapped_profile())
    assert np.allclose(_pixel(path), (0, 255, 0), atol=3)


def test_a_broken_or_unfitting_profile_is_ignored(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    broken = _saved(tmp_path / "a.png", Image.new("RGB", (4, 4), RED), icc_profile=b"no profile")
    unfitting = _saved(tmp_path / "b.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)), icc_profile=srgb)
    assert _pixel(broken) == _pixel(unfitting) == RED


def test_cmyk_and_lab_become_rgb(tmp_path: Path) -> None:
    cmyk = _saved(tmp_path / "cmyk.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    assert np.allclose(_pixel(cmyk), RED, atol=3)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.new("RGB", (4, 4), RED), srgb, lab, outputMode="LAB")
    assert np.allclose(_pixel(_saved(tmp_path / "lab.tif", image)), RED, atol=6)


def test_a_cmyk_profile_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[str, str]] = []

    def convert(image: Image.Image, source: object, target: object, outputMode: str) -> Image.Image:
        used.append((image.mode, outputMode))
        return Image.new(outputMode, image.size, (1, 2, 3))

    monkeypatch.setattr(image_reader.ImageCms, "profileToProfile", convert)
    path = _saved(tmp_path / "a.tif", Image.new("CMYK", (4, 4)), icc_profile=_swapped_profile())
    assert _pixel(path) == (1, 2, 3)
    assert used == [("CMYK", "RGB")]


@pytest.mark.parametrize(
    ("dtype", "values", "suffix"),
    [
        ("uint16", (0, 32896, 65535), "png"),
        ("uint16", (0, 32896, 65535), "tif"),
        ("int32", (0, 128, 255), "tif"),
        ("int32", (0, 32896, 65535), "tif"),
        ("int32", (0, 2**31 // 255 * 128, 2**31 - 1), "tif"),
        ("float32", (0, 128 / 255, 1), "tif"),
        ("float32", (-1, 128 / 255, 1.2), "tif"),
        ("float32", (np.nan, 128, 255), "tif"),
    ],
)
def test_deep_greyscale_is_scaled_to_8_bits(tmp_path: Path, dtype: str, values: tuple, suffix: str) -> None:
    path = _saved(tmp_path / f"deep.{suffix}", Image.fromarray(np.array([values], dtype=dtype)))
    assert np.asarray(read_image(path))[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


def _half_transparent(mode: str) -> Image.Image:
    """Left half black and opaque, right half black and transparent."""
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (2, 0, 4, 4))
    return image.convert(mode) if mode != "P" else image.quantize(4)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    path = _saved(tmp_path / "a.png", _half_transparent(mode))
    assert (_pixel(path, (0, 0)), _pixel(path, (3, 0))) == ((0, 0, 0), WHITE)
    cutout = read_image_with_alpha(path)
    assert (cutout.mode, cutout.getpixel((0, 0)), cutout.getpixel((3, 0))[3]) == ("RGBA", (0, 0, 0, 255), 0)


def test_a_transparent_colour_lies_on_white(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.png", Image.new("RGB", (4, 4), RED), transparency=RED)
    assert _pixel(path) == WHITE


def test_grey_and_palette_images_are_read(tmp_path: Path) -> None:
    assert _pixel(_saved(tmp_path / "1.png", Image.new("1", (4, 4), 1))) == WHITE
    assert _pixel(_saved(tmp_path / "l.png", Image.new("L", (4, 4), 7))) == (7, 7, 7)
    assert _pixel(_saved(tmp_path / "p.png", Image.new("RGB", (4, 4), RED).quantize(4))) == RED


def test_a_mask_by_grey_values_is_scaled_to_one(tmp_path: Path) -> None:
    values = np.array([[0, 1], [0, 1]], dtype=np.uint8)
    for name, pixels in (("8", values), ("16", values.astype(np.uint16))):
        mask = read_mask(_saved(tmp_path / f"{name}.png", Image.fromarray(pixels)))
        assert (mask.dtype, mask.tolist()) == (np.float32, [[0, 1], [0, 1]])
    assert not read_mask(_saved(tmp_path / "black.png", Image.new("L", (4, 4)))).any()


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_a_mask_by_alpha_is_not_the_whole_image(tmp_path: Path, mode: str) -> None:
    assert read_mask(_saved(tmp_path / "a.png", _half_transparent(mode)))[0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("alpha", [255, 128])
def test_a_mask_with_uniform_alpha_counts_its_grey_values(tmp_path: Path, alpha: int) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, alpha))
    image.putpixel((1, 0), (*WHITE, alpha))
    assert read_mask(_saved(tmp_path / "a.png", image)).tolist() == [[0, 1]]


def test_animations_are_known(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, WHITE)]
    moving = _saved(tmp_path / "moving.gif", frames[0], save_all=True, append_images=frames[1:])
    assert is_animated(moving)
    assert _pixel(moving) == RED
    assert not is_animated(_saved(tmp_path / "still.png", frames[0]))
    assert not is_animated(tmp_path / "missing.png")


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_header(width: int, height: int, depth: int = 8, data: bytes = b"") -> bytes:
    """The beginning of a greyscale PNG of this size; without data its pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", data)


def test_a_whole_huge_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The conversion, which would take gigabytes, is replaced: it gets all pixels."""
    path, side = tmp_path / "huge.png", 20_000
    rows = zlib.compress((b"\0" + bytes(side // 8 - 1) + b"\1") * side, 1)  # one bit per pixel, the last one white
    path.write_bytes(_png_header(side, side, depth=1, data=rows) + _png_chunk(b"IEND", b""))
    monkeypatch.setattr(image_reader, "_on_white", lambda image: (image.size, image.getpixel((side - 1, side - 1))))
    assert read_image(path) == ((side, side), 255)


def test_a_huge_image_is_read_and_pillows_limit_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(_png_header(20_000, 20_000))
    assert image_size(path) == (20_000, 20_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)
    assert _pixel(_saved(tmp_path / "small.png", Image.new("RGB", (64, 64), RED))) == RED
    assert Image.MAX_IMAGE_PIXELS == 8


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    for side in (30_000, 60_000):  # the second is also beyond what Pillow would read
        path.write_bytes(_png_header(side, side))
        assert image_size(path) is None
        with pytest.raises(DataError, match=r"cannot be read as an image .*pixels"):
            read_image(path)


@pytest.mark.parametrize("read", [read_image, read_image_with_alpha, read_mask])
def test_bad_files_are_refused(tmp_path: Path, read) -> None:
    text = tmp_path / "text.png"
    text.write_text("This is not an image.")
    whole = _saved(tmp_path / "whole.png", Image.effect_noise((64, 64), 50))
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:1000])
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"There is no image .*check the path"):
        read(tmp_path / "missing.png")
    for path in (text, cut, tmp_path / "folder.png"):
        with pytest.raises(DataError, match=f"{path.name} cannot be read as an image .*give another file"):
            read(path)
    assert image_size(text) is None
    assert image_size(tmp_path / "missing.png") is None
