"""Two processes on the CPU, started by `accelerate launch`, share the trials: every image is written by one of them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from styleroute.evaluation.protocols.options import DiffusersOptions, Generation, PaperStyles, StyleExpertFiles
from styleroute.evaluation.protocols.running import style_images
from styleroute.evaluation.protocols.style_expert import StyleProtocol

# --cpu always starts a single process. Without a GPU the processes of --multi_gpu use the CPU.
LAUNCH = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
NOTING = """
import os
import sys
from PIL import Image
from styleroute.cli import main

save = Image.Image.save

def noting_save(image, path, **options):
    save(image, path, **options)
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(os.environ["RANK"])

Image.Image.save = noting_save
sys.exit(main(sys.argv[1:]))
"""
"""The command, which also notes the process of every image that it saves."""


@pytest.fixture
def config(protocol: StyleProtocol, one_step: DiffusersOptions, tmp_path: Path) -> PaperStyles:
    """Three styles with one image each, for the base model alone."""
    small = StyleProtocol(protocol.contents, protocol.styles, tmp_path / "one", pairs=1, seeds=1)
    return PaperStyles(small, Generation("diffusers"), StyleExpertFiles(size=64), one_step)


def _launch(config: PaperStyles, output: Path, notes: Path) -> str:
    options = {
        "contents": config.protocol.contents, "styles": config.protocol.styles, "output": output, "pairs": 1,
        "seeds": 1, "generate": "diffusers", "size": 64, "base": config.diffusers.base, "steps": 1, "text-tokens": 16,
        "precision": "float32",
    }  # fmt: skip
    script = notes.with_suffix(".py")
    script.write_text(NOTING, encoding="utf-8")
    words = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-m", *LAUNCH, str(script), "evaluate", "paper-styles", *words]
    environment = os.environ | {"NOTES": str(notes)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_each_image_is_generated_by_one_of_two_processes(config: PaperStyles, tmp_path: Path) -> None:
    images = style_images(config)
    names = [trial.name for trial in images.trials]
    expected = images.folders[0].find(names)
    output, notes = tmp_path / "two", tmp_path / "notes"
    shown = _launch(config, output, notes)
    assert "".join(sorted(notes.read_text())) in ("001", "011")
    assert shown.count("Wrote ") == shown.count("Kontext: 0 of 3 images are in") == 1
    found = {path.stem: path for path in (output / "images").glob("*/*.png")}
    assert found.keys() == expected.keys()
    for name, path in found.items():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(expected[name])))
