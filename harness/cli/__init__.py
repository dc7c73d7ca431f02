"""The command line: `harness = harness.cli:main`.

Two layers, so that asking for help costs nothing. `study_commands` and `tool_commands` declare the
commands with their options and import only typer and `requests`, the frozen values they hand on.
The work of a command lives in a module of its own (`run`, `plan`, `doctor` ...) that is imported when
the command is invoked, by `dispatch.work_of` and nowhere else; those modules import what they need
at their top, as any module does.
"""

from harness.cli.commands import main

__all__ = ["main"]
