"""Every command with its options. Imports nothing slow: see the package's docstring."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli import requests
from harness.cli.dispatch import perform

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

MatrixFile = Annotated[Path, typer.Argument(metavar="M.yaml", help="The matrix file.", show_default=False)]
Home = Annotated[
    Path, typer.Option("--home", metavar="DIR", envvar="HARNESS_HOME", help="Where runs, caches and reports are kept.")
]
Only = Annotated[
    str | None, typer.Option("--only", metavar="GLOB", help="Only cells whose name matches.", show_default=False)
]
Override = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the file; may be given again."),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugins", metavar="DIR", help="A folder of your own components; may be given again."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more; errors with their traceback.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say less.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Worker processes of the local executor.", show_default=False),
]
Executor = Annotated[
    Literal["inline", "local"], typer.Option("--executor", help="Run cells in this process, or in workers.")
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where networks are trained.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="A few batches of each cell, in a store of its own.")]
Retry = Annotated[int, typer.Option("--retry", min=0, metavar="N", help="Try a failed cell again up to N times.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")]
Rerun = Annotated[
    Literal["failed", "stale"],
    typer.Option("--rerun", help="Besides what is missing: failed cells, or stale ones too."),
]
Images = Annotated[str, typer.Option("--shape", metavar="HxWxC", help="Shape of the images.")]
Classes = Annotated[int, typer.Option("--classes", min=2, metavar="K", help="Number of classes.")]

HOME = Path(".harness")


def main() -> None:
    """Run the command line; ends the process with the exit code of the command."""
    app(prog_name="harness")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"harness {importlib.metadata.version('harness')}")
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


@app.command()
def run(
    matrix: MatrixFile,
    *,
    only: Only = None,
    override: Override = None,
    workers: Workers = None,
    executor: Executor = "local",
    device: Device = "auto",
    smoke: Smoke = False,
    fail_fast: FailFast = False,
    retry: Retry = 0,
    rerun: Rerun = "failed",
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Run what is missing or failed, then write the report."""
    asked = requests.Run(
        matrix=_matrix(matrix, override, only, plugins),
        home=home,
        workers=workers,
        executor=executor,
        device=_device(device),
        smoke=smoke,
        stale=rerun == "stale",
        json=json,
        verbosity=verbose - quiet,
        fail_fast=fail_fast,
        retry=retry,
    )
    perform("run", asked, verbose)


@app.command()
def plan(
    matrix: MatrixFile,
    *,
    only: Only = None,
    override: Override = None,
    workers: Workers = None,
    executor: Executor = "local",
    device: Device = "auto",
    smoke: Smoke = False,
    rerun: Rerun = "failed",
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Show every cell: its state, its size, the time it takes."""
    asked = requests.Run(
        matrix=_matrix(matrix, override, only, plugins),
        home=home,
        workers=workers,
        executor=executor,
        device=_device(device),
        smoke=smoke,
        stale=rerun == "stale",
        json=json,
        verbosity=verbose - quiet,
    )
    perform("plan", asked, verbose)


@app.command()
def validate(
    matrix: MatrixFile,
    *,
    only: Only = None,
    override: Override = None,
    verbose: Verbose = False,
    plugins: Plugins = None,
) -> None:
    """Check a matrix file; nothing is written."""
    perform("validate", _matrix(matrix, override, only, plugins), verbose)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def tune(
    matrix: MatrixFile,  # noqa: ARG001
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,  # noqa: ARG001
) -> None:
    """Search hyperparameters (not available in this version)."""
    typer.echo("harness tune is not available in this version; the `tune` section is checked, not run", err=True)
    raise typer.Exit(2)


@app.command()
def report(matrix: MatrixFile, *, json: Json = False, verbose: Verbose = False, home: Home = HOME) -> None:
    """Write the report again from what the store holds."""
    perform("report", requests.Report(matrix, home, json), verbose)


@app.command()
def status(
    matrix: Annotated[
        Path | None, typer.Argument(metavar="M.yaml", help="One study alone.", show_default=False)
    ] = None,
    *,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
) -> None:
    """Show what runs now, what failed and why."""
    perform("status", requests.Status(matrix, home, json), verbose)


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


def _matrix(path: Path, override: list[str] | None, only: str | None, plugins: list[Path] | None) -> requests.Matrix:
    return requests.Matrix(path, tuple(override or ()), only, tuple(plugins or ()))


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text in ("auto", "cpu", "cuda") or (kind == "cuda" and colon and number.isdecimal()):
        return text
    raise typer.BadParameter(f"{text!r} is not auto, cpu, cuda or cuda:N", param_hint="--device")


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.lower().split("x")
    if len(parts) == 3 and all(part.isdecimal() and int(part) > 0 for part in parts) and parts[2] in ("1", "3"):
        return int(parts[0]), int(parts[1]), int(parts[2])
    raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTHxCHANNELS with 1 or 3 channels", param_hint="--shape")
