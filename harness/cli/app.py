"""The typer application that the commands are registered on, and its own options."""

from __future__ import annotations

from typing import Annotated

import typer

from harness import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run matrices of image classifiers: validation chooses, the test set opens once.

    Exit codes: 0 complete, 1 a cell failed, 2 the input is wrong, 3 incomplete but nothing failed,
    130 interrupted.
    """
