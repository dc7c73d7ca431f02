"""The command line: `harness = harness.cli:main`.

`options` declares each command as a dataclass and imports nothing slow, so that asking for help costs nothing. The
work of a command lives in a module of its own name, imported when the command is called, by `dispatch` and nowhere
else; that module imports what it needs at its top, as any module does.
"""

from importlib import import_module

from harness.interrupts import leave_when_interrupted


def main() -> None:
    """Run the command line; ends the process with the exit code of the command."""
    leave_when_interrupted()
    import_module("harness.cli.options").app(prog_name="harness")
