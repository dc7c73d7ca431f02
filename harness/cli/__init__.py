"""The command line: `harness = harness.cli:main`.

`options` declares each command as a dataclass and imports nothing slow, so that asking for help costs nothing. The
work of a command lives in a module of its own name, imported when the command is called, by `dispatch` and nowhere
else; that module imports what it needs at its top, as any module does.
"""

from harness.cli.options import main

__all__ = ["main"]
