"""The commands about single runs, and about stores as a whole, with their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli import requests, run_requests
from harness.cli.app import app
from harness.cli.dispatch import perform
from harness.cli.options import HOME, Device, Home, Json, MatrixFile, Override, Plugins, Verbose

Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run id (6 digits are enough), a cell key or a name.", show_default=False),
]


@app.command()
def compare(
    run: Run,
    other: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare with it.", show_default=False)],
    *,
    split: Annotated[
        Literal["val", "test"] | None,
        typer.Option("--split", help="On which images; test if both opened it.", show_default=False),
    ] = None,
    first: Annotated[int, typer.Option("--first", min=0, metavar="N", help="Changed images listed of each kind.")] = 5,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
) -> None:
    """Compare two runs: settings, figures, changed images."""
    perform("compare", run_requests.Compare(run, other, split, first, home, json), verbose)


@app.command()
def predict(
    run: Run,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Image files, or folders of them.", show_default=False)
    ],
    *,
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="Classes shown of each image.")] = 5,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Classify image files by a finished run."""
    perform("predict", run_requests.Predict(run, tuple(images), top, home, tuple(plugins or ()), json), verbose)


@app.command()
def export(
    run: Run,
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder.", show_default=False)],
    *,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files.")] = False,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Write a run's model as files to be used without the harness."""
    perform("export", run_requests.Export(run, folder, force, home, tuple(plugins or ()), json), verbose)


@app.command(name="lr-find")
def lr_find(
    matrix: MatrixFile,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name in the file.", show_default=False)],
    *,
    low: Annotated[float, typer.Option("--from", metavar="LR", help="The first learning rate.")] = 1e-7,
    high: Annotated[float, typer.Option("--to", metavar="LR", help="The last one.")] = 10.0,
    steps: Annotated[int, typer.Option("--steps", min=20, max=10_000, help="Batches in all.")] = 150,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="PNG", show_default=False)] = None,
    override: Override = None,
    device: Device = "auto",
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Find a learning rate by a range test on training images."""
    if not 0 < low < high:
        raise typer.BadParameter(f"{low:g} to {high:g} is no range above 0", param_hint="--from")
    file = requests.Matrix(matrix, tuple(override or ()), None, tuple(plugins or ()))
    asked = run_requests.LrFind(file, experiment, low, high, steps, output, device, home, json)
    perform("lr_find", asked, verbose)


@app.command()
def merge(
    homes: Annotated[
        list[Path], typer.Argument(metavar="HOME...", help="Homes of other machines.", show_default=False)
    ],
    *,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
) -> None:
    """Bring the runs of other machines into this store."""
    perform("merge", run_requests.Merge(tuple(homes), home, json), verbose)


@app.command()
def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Remove checkpoints and caches that nothing needs."""
    perform("gc", run_requests.Gc(home, dry_run, tuple(plugins or ()), json), verbose)
