"""Reads images and masks: the only file of the project that opens image files.

Every image is upright (EXIF), in sRGB (ICC profiles, CMYK) and has 8 bits per channel; transparent parts become white.
"""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from ..errors import DataError
from ..files import open_regular

MAX_PIXELS = 2**29
"""Limit for images, in pixels (23,170 x 23,170, about 2 GiB in memory). Pillow's own limit is a third of this."""

_UNREADABLE = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""Everything that Pillow raises for a broken, hostile or foreign file."""

_WHITE_LEVELS = {"I": (255, 65535, 2**31 - 1), "F": (1, 255, 65535)}
"""Possible values of white in greyscale images of 32 bits. The brightest pixel selects the value."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by its EXIF orientation."""

_opening = Lock()
_Result = TypeVar("_Result")


def read_image(path: Path) -> Image.Image:
    """Reads an image as upright 8-bit sRGB, mode "RGB", with transparent parts on white.

    Raises:
        DataError: the file is missing, broken, larger than `MAX_PIXELS` or not an image.
    """
    return _read(path, _on_white)


def decode_image(data: bytes, name: str) -> Image.Image:
    """Reads an image from the bytes of its file, as `read_image` does.

    Args:
        data: the content of the file.
        name: the image's name, for the message.

    Raises:
        DataError: the bytes are broken, hold more than `MAX_PIXELS` or are no image.
    """
    return _read(name, _on_white, lambda: io.BytesIO(data))


def read_image_with_alpha(path: Path) -> Image.Image:
    """Reads an image as upright 8-bit sRGB with its transparency, mode "RGBA".

    Raises:
        DataError: the file is missing, broken, larger than `MAX_PIXELS` or not an image.
    """
    return _read(path, _with_alpha)


def read_mask(path: Path) -> np.ndarray:
    """Reads a mask as float32 [H, W] in 0..1, scaled so that its brightest pixel is 1.

    The values are the alpha channel if it is not uniform, otherwise the grey values. A black mask stays 0.

    Raises:
        DataError: the file is missing, broken, larger than `MAX_PIXELS` or not an image.
    """
    return _read(path, _mask_values)


def read_colour_numbers(path: Path) -> np.ndarray:
    """Reads a palette or grey image as uint8 [H, W]: the number of each pixel's colour, which names an object or class.

    Raises:
        DataError: the file is missing, broken, larger than `MAX_PIXELS`, or has colours instead of numbers.
    """
    numbers = _read(path, lambda image: np.asarray(image) if image.mode in ("P", "L") else None)
    if numbers is None:
        raise DataError(f"{path} has colours, expected a palette or 8-bit grey PNG: give the dataset's own file.")
    return numbers


def image_size(path: Path) -> tuple[int, int] | None:
    """Returns width and height of the upright image from the file's header; None if the file cannot be read."""
    try:
        with _open(path) as image:
            width, height = image.size
            return (height, width) if _orientation(image) > 4 else (width, height)
    except _UNREADABLE:
        return None


def is_animated(path: Path) -> bool:
    """Whether the file holds several frames; the other functions read the first one. False for an unreadable file."""
    try:
        with _open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except _UNREADABLE:
        return False


def _read(
    path: Path | str, convert: Callable[[Image.Image], _Result], opened: Callable[[], io.BytesIO] | None = None
) -> _Result:
    """The converted image of a file, or with ``opened`` of these bytes; the path then only stands in the message."""
    try:
        with _open(path, opened) as image:
            image.load()
            return convert(_upright(image))
    except FileNotFoundError as error:
        raise DataError(f"There is no image {path}. Expected a PNG, JPEG or WebP file: check the path.") from error
    except _UNREADABLE as error:
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(
            f"{path} cannot be read as an image ({reason}). Expected a whole PNG, JPEG or WebP file: save it again or "
            "give another file."
        ) from error


@contextmanager
def _open(path: Path | str, opened: Callable[[], io.BytesIO] | None = None) -> Iterator[Image.Image]:
    """Opens an image of at most `MAX_PIXELS`; only the header is read. A pipe never blocks."""
    with opened() if opened else io.BufferedReader(open_regular(path)) as file, _image_in(file) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width:,} x {height:,} pixels, the limit is {MAX_PIXELS:,}")
        yield image


def _image_in(file: io.BufferedReader | io.BytesIO) -> Image.Image:
    with _opening:
        # Pillow knows only a global limit. It is lifted here alone, while the header is read.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if there is none or if the EXIF data is broken."""
    # Pillow turns TIFF images itself. Without one of these entries it would decode a whole PNG to search for EXIF.
    if image.format == "TIFF" or not {"exif", "xmp", "XML:com.adobe.xmp"} & image.info.keys():
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (*_UNREADABLE, TypeError, KeyError):
        return 1


def _on_white(image: Image.Image) -> Image.Image:
    alpha = _alpha(image)
    if alpha is None:
        return _srgb(image)
    return Image.composite(_srgb(image), Image.new("RGB", image.size, "white"), alpha)


def _with_alpha(image: Image.Image) -> Image.Image:
    rgba, alpha = _srgb(image).convert("RGBA"), _alpha(image)
    if alpha is not None:
        rgba.putalpha(alpha)
    return rgba


def _mask_values(image: Image.Image) -> np.ndarray:
    alpha = _alpha(image)
    if alpha is not None and np.ptp(np.asarray(alpha)) > 0:
        values = np.asarray(alpha, dtype=np.float32)
    elif _is_deep(image):
        values = _unit_grey(image)
    else:
        # A grey mask is data: its profile does not count.
        values = np.asarray(image if image.mode == "L" else _srgb(image).convert("L"), dtype=np.float32)
    return values / max(float(values.max()), np.finfo(np.float32).tiny)


def _alpha(image: Image.Image) -> Image.Image | None:
    """The alpha channel, mode "L"; None for an image without transparency."""
    if _is_deep(image) or not image.has_transparency_data:
        return None
    return _plain(image).convert("RGBA").getchannel("A")


def _srgb(image: Image.Image) -> Image.Image:
    """The colours without the transparency, mode "RGB". A broken or unfitting profile is ignored."""
    colours, profile = _colours(image), image.info.get("icc_profile")
    try:
        if colours.mode == "LAB":
            return _convert_profile(colours, ImageCms.createProfile("LAB"))
        if profile:
            return _convert_profile(colours, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    return colours.convert("RGB")


def _convert_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile) -> Image.Image:
    return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")


def _colours(image: Image.Image) -> Image.Image:
    """The image without transparency, in a mode that a colour profile can describe: L, RGB, CMYK or LAB."""
    if _is_deep(image):
        return Image.fromarray((_unit_grey(image) * 255).round().astype(np.uint8))
    image = _plain(image)
    if image.mode in ("L", "LA", "1"):
        return image.convert("L")
    if image.mode in ("CMYK", "LAB"):
        return image
    # Through RGBA, because Pillow warns of a palette whose transparency is lost.
    return image.convert("RGBA").convert("RGB") if image.has_transparency_data else image.convert("RGB")


def _plain(image: Image.Image) -> Image.Image:
    """The image with colours that are not multiplied by alpha."""
    return image.convert(image.mode.upper()) if image.mode in ("La", "RGBa") else image


def _is_deep(image: Image.Image) -> bool:
    """Whether the image is greyscale of 16 or 32 bits."""
    return image.mode in _WHITE_LEVELS or image.mode.startswith("I;16")


def _unit_grey(image: Image.Image) -> np.ndarray:
    """Grey values of a 16- or 32-bit image as float32 [H, W] in 0..1."""
    values = np.asarray(image, dtype=np.float32)
    values = np.where(np.isfinite(values), values, 0).clip(min=0)
    brightest = float(values.max())
    levels = _WHITE_LEVELS.get(image.mode, (65535,))
    # Twice: a few pixels may be brighter than white.
    white = next((level for level in levels if brightest < 2 * level), brightest)
    return (values / white).clip(max=1)
