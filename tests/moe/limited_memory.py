"""A program for tests: inspects and opens every file of a folder with 256 MiB of new memory, and prints the counts."""

import json
import resource
import sys
from pathlib import Path

from styleroute.moe import StyleExpert, StyleExpertError
from styleroute.moe.converting import convert
from styleroute.moe.inspecting import inspect_file

NEW_BYTES = 256 * 2**20
FOLDER = Path(sys.argv[1])


def is_refused(path: Path) -> bool:
    try:
        if path.suffix == ".safetensors":
            StyleExpert.open(path)
        convert(path, FOLDER / "converted.safetensors")
    except StyleExpertError:
        return True
    return False


used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + NEW_BYTES, used + NEW_BYTES))
files = sorted(path for path in FOLDER.iterdir() if path.is_file())
inspected = sum(bool(inspect_file(path).problems) for path in files)
print(json.dumps({"inspected": inspected, "refused": sum(map(is_refused, files))}))
