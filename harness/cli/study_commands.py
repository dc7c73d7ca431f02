"""The commands about a matrix file: what they are called and which options they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import requests
from harness.cli.app import app
from harness.cli.dispatch import perform
from harness.cli.options import (
    HOME,
    Device,
    Executor,
    FailFast,
    Home,
    Json,
    MatrixFile,
    Only,
    Override,
    Plugins,
    Quiet,
    Rerun,
    Retry,
    Smoke,
    Verbose,
    Workers,
)


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


@app.command()
def tune(
    matrix: MatrixFile,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One experiment alone.", show_default=False)
    ] = None,
    *,
    only: Only = None,
    override: Override = None,
    workers: Workers = None,
    executor: Executor = "local",
    device: Device = "auto",
    smoke: Smoke = False,
    retry: Retry = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    home: Home = HOME,
    plugins: Plugins = None,
) -> None:
    """Search hyperparameters on validation; the winner opens the test set once."""
    asked = requests.Run(
        matrix=_matrix(matrix, override, only, plugins),
        home=home,
        workers=workers,
        executor=executor,
        device=_device(device),
        smoke=smoke,
        stale=False,
        json=json,
        verbosity=verbose - quiet,
        retry=retry,
    )
    perform("tune", requests.Tune(asked, name), verbose)


@app.command()
def report(matrix: MatrixFile, *, json: Json = False, verbose: Verbose = False, home: Home = HOME) -> None:
    """Write the report again from what the store holds."""
    perform("report", requests.Report(matrix, home, json), verbose)


@app.command()
def audit(
    matrix: MatrixFile,
    *,
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Share of test images that may be in train too."),
    ] = 0.001,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The report to check instead of the one in the home.", show_default=False),
    ] = None,
    json: Json = False,
    verbose: Verbose = False,
    home: Home = HOME,
) -> None:
    """List test openings; check the report by what was logged."""
    perform("audit", requests.Audit(matrix, home, tolerance, report, json), verbose)


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


def _matrix(path: Path, override: list[str] | None, only: str | None, plugins: list[Path] | None) -> requests.Matrix:
    return requests.Matrix(path, tuple(override or ()), only, tuple(plugins or ()))


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text in ("auto", "cpu", "cuda") or (kind == "cuda" and colon and number.isdecimal()):
        return text
    raise typer.BadParameter(f"{text!r} is not auto, cpu, cuda or cuda:N", param_hint="--device")
