"""Commands whose options have other defaults under `--preset NAME`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True)
class PresetCommand:
    """A command with one configuration; stands among a module's SUBCOMMANDS.

    Attributes:
        run: what it does; its docstring is the command's help.
        presets: configurations by name. The first is the one that holds without `--preset`.
    """

    run: Callable[[Any], None]
    presets: Mapping[str, Any]

    def chosen(self, arguments: Sequence[str]) -> Callable[..., None]:
        """The function for tyro, with the values of the preset that `arguments` name as its defaults."""
        names = tuple(self.presets)
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--preset", default=names[0])
        named = finder.parse_known_args(arguments)[0].preset
        # An unknown name is left to tyro, whose message lists the known ones.
        default = self.presets.get(named, self.presets[names[0]])

        def command(config: Any = default, preset: str = names[0]) -> None:
            self.run(config)

        command.__annotations__ = {
            "config": Annotated[type(default), tyro.conf.arg(name="")],
            "preset": Annotated[
                Literal[names], tyro.conf.arg(help="which values hold for the options that are not given")
            ],
        }
        command.__doc__ = self.run.__doc__
        return command
