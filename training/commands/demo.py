"""`styleroute demo`: the workflow that ships with the pack, run in a real ComfyUI on a photo and a style picture."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from rich.progress import Progress

from ..comfy import PACK, ComfyServer, find_node, load_workflow
from ..data.packages import DataError
from ..progress import console

WORKFLOW = PACK / "example_workflows" / "style_transfer.json"
DEMO_PACK = PACK / "examples" / "tiny_kontext"
SIDE, MARGIN, CAPTION = 256, 16, 24


def run(
    photo: Path | None = None,
    style: Path | None = None,
    seed: int = 0,
    strength: float = 1.0,
    output: Path = Path("output") / "demo",
) -> None:
    """Paint a photo in the style of a picture, with the small Kontext, through ComfyUI.

    Writes content, style, result and routing as PNG, and all of them side by side in contact_sheet.png.

    Args:
        photo: the photo to paint; without it, a cat from scikit-image.
        style: the picture whose style it shall have; without it, a painting that ships with the pack.
        seed: another number gives another painting.
        strength: how strongly the style is painted, from -2 to 2.
        output: the folder for the pictures.
    """
    pictures = {"content": _square(_photo(photo)), "style": _square(_open(style or _default_style()))}
    output.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        picture.save(output / f"{name}.png")
    with console.status("ComfyUI is starting"):
        server = ComfyServer.start(packs=(PACK, DEMO_PACK))
    with server:
        pictures |= _paint(server, output, seed, strength)
    for name in ("result", "routing"):
        pictures[name].save(output / f"{name}.png")
    contact_sheet(pictures).save(output / "contact_sheet.png")
    console.print(f"Wrote {', '.join(pictures)} and contact_sheet to {output.resolve()}", soft_wrap=True)


def contact_sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """The pictures side by side at one height, each with its name below."""
    shown = {name: ImageOps.contain(picture.convert("RGB"), (4 * SIDE, SIDE)) for name, picture in pictures.items()}
    width = sum(picture.width + MARGIN for picture in shown.values()) + MARGIN
    sheet = Image.new("RGB", (width, SIDE + 2 * MARGIN + CAPTION), "white")
    draw, left = ImageDraw.Draw(sheet), MARGIN
    for name, picture in shown.items():
        sheet.paste(picture, (left, MARGIN + (SIDE - picture.height) // 2))
        draw.text((left, MARGIN + SIDE + 8), name, fill="black")
        left += picture.width + MARGIN
    return sheet


def _paint(server: ComfyServer, folder: Path, seed: int, strength: float) -> dict[str, Image.Image]:
    """Runs the workflow on the pictures in `folder`; returns its result and the picture of its routing."""
    prompt = load_workflow(WORKFLOW, server.object_info())
    _inputs(prompt, "Photo")["image"] = server.upload_image(folder / "content.png")
    _inputs(prompt, "Style picture")["image"] = server.upload_image(folder / "style.png")
    _inputs(prompt, "KSampler")["seed"] = seed
    _inputs(prompt, "MoE Apply")["strength"] = strength
    with Progress(console=console) as progress:
        task = progress.add_task("Queued", total=None)

        def on_progress(node: str, value: float, maximum: float) -> None:
            title = prompt[node]["_meta"]["title"] if node in prompt else node
            progress.update(task, description=title, completed=value, total=maximum)

        outputs = server.run(prompt, on_progress)
    titles = {"result": "Result", "routing": "Routing"}
    return {name: server.fetch_image(**outputs[find_node(prompt, titles[name])]["images"][0]) for name in titles}


def _inputs(prompt: dict[str, Any], title: str) -> dict[str, Any]:
    return prompt[find_node(prompt, title)]["inputs"]


def _photo(path: Path | None) -> Image.Image:
    if path:
        return _open(path)
    from skimage import data

    return Image.fromarray(np.asarray(data.chelsea()))


def _default_style() -> Path:
    return min((PACK / "assets").glob("style_*.png"))


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise DataError(f"There is no picture {path}.")
    try:
        return ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    except OSError as error:
        raise DataError(f"{path} is no picture that can be opened ({error}); give a PNG or JPEG file.") from error


def _square(picture: Image.Image) -> Image.Image:
    return ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)
