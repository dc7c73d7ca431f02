"""The commands about stores, data sets, models and the machine, with their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import requests
from harness.cli.app import app
from harness.cli.dispatch import perform
from harness.cli.options import (
    HOME,
    Classes,
    Home,
    Images,
    Json,
    Plugins,
    Verbose,
)


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 5000,
    verbose: Verbose = False,
    home: Home = HOME,
) -> None:
    """Open MLflow's user interface on the store."""
    perform("ui", requests.Ui(home, port), verbose)


@app.command()
def data(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME|M.yaml", help="A source, or a matrix file's data set.", show_default=False),
    ] = None,
    *,
    path: Annotated[
        Path | None, typer.Option("--path", help="A folder or .npz file of your own.", show_default=False)
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Fetch and describe a data set: classes, duplicates."""
    if name is None and path is None:
        raise typer.BadParameter("give a source's name, a matrix file or --path")
    perform("data", requests.Data(name, path, home, tuple(plugins or ()), json), verbose)


@app.command()
def models(
    *,
    parameters: Annotated[bool, typer.Option("--parameters", help="Count parameters too (slower).")] = False,
    shape: Images = "32x32x3",
    classes: Classes = 10,
    json: Json = False,
    verbose: Verbose = False,
    plugins: Plugins = None,
) -> None:
    """List the models there are."""
    sized = requests.Images(_shape(shape), classes) if parameters else None
    work = "model_sizes" if parameters else "models"
    perform(work, requests.Models(tuple(plugins or ()), sized, json), verbose)


@app.command()
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's name.", show_default=False)],
    *,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the model; may be given again."),
    ] = None,
    shape: Images = "32x32x3",
    classes: Classes = 10,
    json: Json = False,
    verbose: Verbose = False,
    plugins: Plugins = None,
) -> None:
    """Show a model layer by layer: output shape, parameters, FLOPs."""
    images = requests.Images(_shape(shape), classes)
    perform("show", requests.Show(model, tuple(option or ()), images, tuple(plugins or ()), json), verbose)


@app.command()
def schema(verbose: Verbose = False, plugins: Plugins = None) -> None:
    """Print the JSON Schema of a matrix file, for editors."""
    perform("schema", requests.Schema(tuple(plugins or ())), verbose)


@app.command()
def doctor(json: Json = False, verbose: Verbose = False, home: Home = HOME) -> None:
    """Check what of this machine would spoil a run."""
    perform("doctor", requests.Doctor(home, json), verbose)


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.lower().split("x")
    if len(parts) == 3 and all(part.isdecimal() and int(part) > 0 for part in parts) and parts[2] in ("1", "3"):
        return int(parts[0]), int(parts[1]), int(parts[2])
    raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTHxCHANNELS with 1 or 3 channels", param_hint="--shape")
