"""`styleroute calibrate`: measures which blocks of a base model find the objects that a prompt names."""

from typing import Annotated

import tyro

from ..evaluation.maps.config import CalibrationConfig
from ..progress import console


def run(config: Annotated[CalibrationConfig, tyro.conf.arg(name="")]) -> None:
    """Measure which blocks of a base model find named objects, and write the calibration file that the nodes read.

    The command makes scenes with known masks, of one and of two objects, and runs the base model once per scene and
    noise level. It compares two kinds of maps: the attention to the words, and the similarity of attention outputs.
    The small Kontext takes a few minutes on a CPU. FLUX.1 Kontext needs a graphics card with 32 GB; give --size 1024.
    """
    from ..evaluation.maps.calibrate import calibrate
    from ..evaluation.maps.calibration_file import write_calibration
    from ..evaluation.maps.tables import block_table, kind_table

    calibration = calibrate(config)
    for model, measured in calibration.measured.items():
        console.print(block_table(measured, model))
        console.print(kind_table(calibration, model))
    console.print(f"Wrote {write_calibration(calibration)}", soft_wrap=True)
