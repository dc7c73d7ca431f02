"""The command line: `harness = harness.cli:main`.

Two layers, so that asking for help costs nothing. `commands` declares every command with its options
and imports only typer and `requests`. The work of a command lives in a module of its own (`run`,
`plan`, `doctor` ...) that is imported when the command is invoked, by `dispatch.perform` and nowhere
else; those modules import what they need at their top, as any module does.
"""

from harness.cli.commands import main

__all__ = ["main"]
