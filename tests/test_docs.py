"""The documentation is true: links lead somewhere, named commands and options exist, and the README stays short."""

import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import pytest
from styleroute import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "web" / "docs").rglob("*.md")),
]
README_WORDS = 900
"""Upper limit, with tables, code and citations: a first-time visitor reads it in a few minutes."""

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(r"(?:run\.py|\bstyleroute|styleroute\.cli|custom_nodes/[\w<>-]+) ([a-z][^`\n]*)")
OPTION = re.compile(r"(?<!\S)(--[a-z][\w.-]*)")
ON_THE_HOSTING_SITE = "../../actions/"
"""Links to the hosting site's own pages of this repository, relative to the README's page."""
OWN_COMMANDS = {"test"}
"""Commands of run.py itself."""


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def links(text: str) -> list[str]:
    return [first or second for first, second in LINK.findall(text)]


def anchors(text: str) -> set[str]:
    """The names that a Markdown page's headings have in links."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}


def subcommands(command: str) -> dict:
    return getattr(import_module(f"styleroute.cli.{command}"), "SUBCOMMANDS", {})


def mentioned_commands() -> list[tuple[str, str]]:
    """(page, words of the command) for every command that the documentation names."""
    found = []
    for page in DOCS:
        found += [(page.relative_to(ROOT).as_posix(), match.strip()) for match in COMMAND.findall(read(page))]
    return [(page, words) for page, words in found if not words.startswith("COMMAND")]


@pytest.mark.parametrize("page", DOCS, ids=names(DOCS))
def test_every_relative_link_exists(page: Path):
    broken = []
    for link in links(read(page)):
        if re.match(r"[a-z]+:", link) or link.startswith(ON_THE_HOSTING_SITE):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(read(target))):
            broken.append(link)
    assert broken == []


def test_the_reader_of_commands_finds_them():
    assert COMMAND.findall("`python run.py train tiny --steps 3` and `styleroute inspect FILE`") == [
        "train tiny --steps 3",
        "inspect FILE",
    ]
    assert COMMAND.findall("python custom_nodes/ComfyUI-StyleRoute convert A B") == ["convert A B"]
    assert len(mentioned_commands()) > 30


@pytest.mark.parametrize(("page", "words"), sorted(set(mentioned_commands())))
def test_every_command_exists(page: str, words: str):
    command, *rest = words.split()
    command = command.rstrip(".,:;")
    assert command in {*cli.COMMANDS, *OWN_COMMANDS}, f"{page}: there is no command {command!r}"
    if command in OWN_COMMANDS or not (known := subcommands(command)) or not rest:
        return
    if re.fullmatch(r"[a-z][a-z-]*", rest[0]):
        assert rest[0] in known, f"{page}: `{command}` has no subcommand {rest[0]!r}"


def used_options() -> dict[tuple[str, ...], set[str]]:
    """The options that the documentation uses, by command and subcommand."""
    used: dict[tuple[str, ...], set[str]] = {}
    for _, words in mentioned_commands():
        command, *rest = words.split()
        options = set(OPTION.findall(" ".join(rest)))
        if command in OWN_COMMANDS or not options:
            continue
        named = (command, rest[0]) if rest and rest[0] in subcommands(command) else (command,)
        used.setdefault(named, set()).update(options)
    return used


OPTIONS = sorted(used_options().items())


@pytest.mark.parametrize(("command", "options"), OPTIONS, ids=[" ".join(command) for command, _ in OPTIONS])
def test_every_option_exists(command: tuple[str, ...], options: set[str], capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--help"])
    assert end.value.code in (0, None)
    known = set(re.findall(r"--[a-z][\w.-]*", capsys.readouterr().out))
    assert options - known == set()


def test_the_readme_is_short():
    assert len(read(ROOT / "README.md").split()) < README_WORDS


def test_every_node_is_in_the_readme():
    nodes = (ROOT / "nodes").rglob("*.py")
    titles = [title for file in nodes for title in re.findall(r'display_name="([^"]+)"', read(file))]
    assert titles
    assert [title for title in titles if f"| {title} |" not in read(ROOT / "README.md")] == []


def test_the_repositorys_address_stands_once():
    address = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["urls"]["Repository"].removeprefix("https://")
    listed = subprocess.run(
        ["git", "grep", "-lI", "-F", address], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode > 1:
        pytest.skip("this is no git checkout")
    assert listed.stdout.split() == ["pyproject.toml"]


def test_every_image_of_the_docs_is_shown():
    """An image that no page shows is dead weight in every clone."""
    shown = {(page.parent / link).resolve() for page in DOCS for link in links(read(page)) if "://" not in link}
    images = [path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()]
    assert images
    assert [path.name for path in images if path.resolve() not in shown] == []
