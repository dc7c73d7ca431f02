"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

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
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Cells side by side; on GPUs found by measuring unless given.",
        show_default=False,
    ),
]
Executor = Annotated[
    Literal["inline", "local"], typer.Option("--executor", help="Run cells in this process, or in workers.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where networks are trained; cuda is all GPUs.")
]
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
"""The default of `--home`."""
