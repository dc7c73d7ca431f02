"""All commands, in the order in which `harness --help` lists them. Imports nothing slow: see the package."""

from harness.cli import study_commands, run_commands, tool_commands  # isort: skip  (order of import = order in the list)
from harness.cli.app import app

__all__ = ["app", "main", "run_commands", "study_commands", "tool_commands"]


def main() -> None:
    """Run the command line; ends the process with the exit code of the command."""
    app(prog_name="harness")
