"""Commands whose option defaults depend on `--preset NAME`."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro


@dataclass(frozen=True)
class PresetCommand:
    """A command with one configuration, for a module's SUBCOMMANDS.

    Attributes:
        run: function of the command; its docstring is the command's help.
        presets: configurations by name. Without `--preset` the first one is used.
    """

    run: Callable[[Any], None]
    presets: Mapping[str, Any]

    def chosen(self, arguments: Sequence[str]) -> Callable[..., None]:
        """The function for tyro; its defaults are the values of the preset in `arguments`."""
        names = tuple(self.presets)
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.add_argument("--preset", default=names[0])
        named = finder.parse_known_args(arguments)[0].preset
        # For an unknown name, tyro prints an error that lists the known names.
        default = self.presets.get(named, self.presets[names[0]])

        def command(config: Any = default, preset: str = names[0]) -> None:
            self.run(config)

        command.__annotations__ = {
            "config": Annotated[type(default), tyro.conf.arg(name="")],
            "preset": Annotated[
                Literal[names], tyro.conf.arg(help="name of the values for all options that are not given")
            ],
        }
        command.__doc__ = self.run.__doc__
        return command
