"""Every command as one frozen dataclass: its fields are the arguments and options, its docstring is the help.

`command` reads the annotated fields, builds the typer command from them and, once it is called, hands the filled
instance to `perform` of `harness.cli.COMMAND`. So a new command is a class here and a file beside this one. Nothing
slow is imported: `harness --help` and completion need no more than this module.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from harness import __version__
from harness.cli.dispatch import Request, perform
from harness.execute import EXECUTORS

HOME: Final = Path(".harness")
"""The default of `--home`."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
Asked = TypeVar("Asked", bound=Request)


def command(asked: type[Asked]) -> type[Asked]:
    """Register a dataclass as the command of its name: `LrFind` is `harness lr-find`, done by `harness.cli.lr_find`.

    A field annotated with `typer.Argument` is positional, inherited ones first. Options are listed in the order of the
    fields, the class's own before inherited ones. One of type `tuple[X, ...]` may be given again.
    """
    module = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", asked.__name__).lower()

    def call(**values: Any) -> None:
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        perform(module, asked(**given))

    parameters = _parameters(asked)
    call.__dict__["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    call.__doc__ = asked.__doc__
    app.command(module.replace("_", "-"))(call)
    return asked


def _parameters(asked: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(asked, include_extras=True)
    declared = [name for each in asked.__mro__ for name in inspect.get_annotations(each)]
    made = [_parameter(field, hints[field.name]) for field in fields(asked)]
    arguments = [each for each in made if isinstance(each.annotation.__metadata__[0], typer.models.ArgumentInfo)]
    options = [each for each in made if each not in arguments]
    return [*arguments, *sorted(options, key=lambda each: declared.index(each.name))]


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    kind, metadata = hint.__origin__, hint.__metadata__
    if get_origin(kind) is tuple:
        kind = GenericAlias(list, get_args(kind)[:1])  # typer takes lists where an option may be given again
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.default is MISSING else field.default,
        annotation=Annotated[kind, *metadata],
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


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text in ("auto", "cpu", "cuda") or (kind == "cuda" and colon and number.isdecimal()):
        return text
    raise typer.BadParameter(f"{text!r} is not auto, cpu, cuda or cuda:N", param_hint="--device")


def _executor(name: str) -> str:
    if name in EXECUTORS:
        return name
    raise typer.BadParameter(f"{name!r} is not one of {', '.join(EXECUTORS)}", param_hint="--executor")


def _shape(text: str) -> str:
    parts = text.lower().split("x")
    if len(parts) == 3 and all(part.isdecimal() and int(part) > 0 for part in parts) and parts[2] in ("1", "3"):
        return text
    raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTHxCHANNELS with 1 or 3 channels", param_hint="--shape")


# What several commands take.


@dataclass(frozen=True, kw_only=True)
class Json:
    """What prints a table and, where asked, JSON in its place."""

    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False


@dataclass(frozen=True, kw_only=True)
class Verbose:
    """What every command takes."""

    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more; errors with their traceback.")] = False

    @property
    def begins(self) -> str:
        """What is said before anything slow is imported, empty for nothing."""
        return ""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is said of what goes on."""
        return False


@dataclass(frozen=True, kw_only=True)
class Quiet(Verbose):
    """What says on stderr what goes on, unless it is not wanted."""

    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say less.")] = False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is said of what goes on."""
        return self.quiet

    @property
    def verbosity(self) -> int:
        """-1 quiet, 0 as usual, 1 each epoch."""
        return self.verbose - self.quiet


@dataclass(frozen=True, kw_only=True)
class Home:
    """What reads or writes a store."""

    home: Annotated[
        Path,
        typer.Option(
            "--home",
            metavar="DIR",
            envvar="HARNESS_HOME",
            file_okay=False,
            help="Where runs, caches and reports are kept.",
        ),
    ] = HOME

    @property
    def cache(self) -> Path:
        """Where data sets are kept, for smoke runs too."""
        return self.home / "cache"


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """What looks for components."""

    plugins: Annotated[
        tuple[Path, ...],
        typer.Option("--plugins", metavar="DIR", help="A folder of your own components; may be given again."),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What is about a matrix file."""

    matrix: Annotated[Path, typer.Argument(metavar="M.yaml", help="The matrix file.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class Override(Matrix):
    """What reads a matrix file with some of its values changed, in the path grammar."""

    override: Annotated[
        tuple[str, ...],
        typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the file; may be given again."),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Device:
    """What trains networks."""

    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="auto|cpu|cuda[:N]",
            callback=_device,
            help="Where networks are trained; cuda is all GPUs.",
        ),
    ] = "auto"


@dataclass(frozen=True, kw_only=True)
class Selection(Override):
    """What is about some or all cells of a matrix file."""

    only: Annotated[
        tuple[str, ...],
        typer.Option("--only", metavar="GLOB", help="Only cells whose name matches; may be given again."),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Work(Selection, Device, Json, Quiet, Home, Plugins):
    """What runs cells, or shows what running them would do."""

    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Cells side by side; on GPUs found by measuring unless given.",
            show_default=False,
        ),
    ] = None
    executor: Annotated[
        str,
        typer.Option(
            "--executor",
            metavar="|".join(EXECUTORS),
            callback=_executor,
            help="Run cells in this process, in workers, or on a Ray cluster.",
        ),
    ] = "local"
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="HOST:PORT", help="The Ray cluster's, or auto.", show_default=False),
    ] = None
    gpu_share: Annotated[
        float,
        typer.Option("--gpu-share", min=0.01, max=1, metavar="SHARE", help="Part of a GPU for each cell, with Ray."),
    ] = 1.0
    smoke: Annotated[bool, typer.Option("--smoke", help="A few batches of each cell, in a store of its own.")] = False
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False
    retry: Annotated[
        int, typer.Option("--retry", min=0, metavar="N", help="Try a failed cell again up to N times.")
    ] = 0
    cell_timeout: Annotated[
        str | None,
        typer.Option(
            "--cell-timeout",
            metavar="DURATION",
            help="End a cell as failed that takes longer: 30s, 10m, 2h.",
            show_default=False,
        ),
    ] = None

    @property
    def begins(self) -> str:
        """What is said before anything slow is imported."""
        return f"reading {self.matrix}"

    @property
    def store_home(self) -> Path:
        """The home of the store; smoke runs have one of their own, so that they count for nothing else."""
        return self.home / "smoke" if self.smoke else self.home


@dataclass(frozen=True, kw_only=True)
class Cells(Work):
    """What is about the cells of a plan, not about searches alone."""

    rerun: Annotated[
        Literal["failed", "stale"],
        typer.Option("--rerun", help="Besides what is missing: failed cells, or stale ones too."),
    ] = "failed"

    @property
    def stale(self) -> bool:
        """Whether cells whose component's source has changed are redone too."""
        return self.rerun == "stale"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What is about one finished run."""

    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run id (6 digits are enough), a cell key or a name; `harness status --runs` lists them.",
            show_default=False,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Images:
    """What sizes a model, which depends on its images and classes."""

    shape: Annotated[str, typer.Option("--shape", metavar="HxWxC", callback=_shape, help="Shape of the images.")] = (
        "32x32x3"
    )
    classes: Annotated[int, typer.Option("--classes", min=2, metavar="K", help="Number of classes.")] = 10

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        height, width, channels = map(int, self.shape.lower().split("x"))
        return height, width, channels


# The commands, in the order of `harness --help`.


@command
@dataclass(frozen=True, kw_only=True)
class Init(Verbose):
    """Write a matrix file to begin with, fitting your pictures."""

    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Pictures: a folder a class, Parquet files, or an .npz file. Nothing: the quickstart's file.",
            show_default=False,
        ),
    ] = None
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The file; it must be new.")] = Path(
        "matrix.yaml"
    )


@command
@dataclass(frozen=True, kw_only=True)
class Rank(Device, Json, Quiet, Home):
    """Which of the usual models suits your pictures: `init` and `run` in one."""

    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Pictures: a folder a class, Parquet files, or an .npz file.",
            show_default=False,
        ),
    ]
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The matrix file that is written; it must be new.")
    ] = Path("matrix.yaml")
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="Cells side by side.", show_default=False)
    ] = None
    smoke: Annotated[bool, typer.Option("--smoke", help="A few batches of each cell, in a store of its own.")] = False

    @property
    def begins(self) -> str:
        """What is said before anything slow is imported."""
        return f"looking at {self.folder}"


@command
@dataclass(frozen=True, kw_only=True)
class Run(Cells):
    """Run what is missing or failed, then write the report."""


@command
@dataclass(frozen=True, kw_only=True)
class Plan(Cells):
    """Show every cell: its state, its size, the time it takes."""


@command
@dataclass(frozen=True, kw_only=True)
class Validate(Selection, Verbose, Home, Plugins):
    """Check a matrix file; nothing is written."""


@command
@dataclass(frozen=True, kw_only=True)
class Tune(Work):
    """Search hyperparameters on validation; the winner opens the test set once."""

    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One experiment alone.", show_default=False)] = None


@command
@dataclass(frozen=True, kw_only=True)
class Report(Matrix, Json, Quiet, Home, Plugins):
    """Write the report again from what the store holds."""


@command
@dataclass(frozen=True, kw_only=True)
class Audit(Matrix, Json, Quiet, Home, Plugins):
    """List test openings; check the report by what was logged."""

    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Share of test images that may be in train too."),
    ] = 0.001
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The report to check instead of the one in the home.", show_default=False),
    ] = None


@command
@dataclass(frozen=True, kw_only=True)
class Status(Json, Verbose, Home):
    """Show what runs now, what failed and why."""

    matrix: Annotated[Path | None, typer.Argument(metavar="M.yaml", help="One study alone.", show_default=False)] = None
    runs: Annotated[bool, typer.Option("--runs", help="List every cell's run: id, name, state, figures.")] = False


@command
@dataclass(frozen=True, kw_only=True)
class Compare(Finished, Json, Verbose, Home):
    """Compare two runs: settings, figures, changed images."""

    other: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare with it.", show_default=False)]
    split: Annotated[
        Literal["val", "test"] | None,
        typer.Option("--split", help="On which images; test if both opened it.", show_default=False),
    ] = None
    first: Annotated[int, typer.Option("--first", min=0, metavar="N", help="Changed images listed of each kind.")] = 5


@command
@dataclass(frozen=True, kw_only=True)
class Predict(Finished, Json, Verbose, Home, Plugins):
    """Classify image files by a finished run."""

    images: Annotated[
        tuple[Path, ...],
        typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False),
    ]
    top: Annotated[int, typer.Option("--top", min=1, metavar="K", help="Classes shown of each image.")] = 5


@command
@dataclass(frozen=True, kw_only=True)
class Export(Finished, Json, Verbose, Home, Plugins):
    """Write a run's model as files to be used without the harness."""

    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new folder.", show_default=False)]
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that has files.")] = False


@command
@dataclass(frozen=True, kw_only=True)
class LrFind(Override, Device, Json, Verbose, Home, Plugins):
    """Find a learning rate by a range test on training images."""

    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name in the file.", show_default=False)]
    low: Annotated[float, typer.Option("--from", metavar="LR", help="The first learning rate.")] = 1e-7
    high: Annotated[float, typer.Option("--to", metavar="LR", help="The last one.")] = 10.0
    steps: Annotated[int, typer.Option("--steps", min=20, max=10_000, help="Batches in all.")] = 150
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="PNG", help="The picture; else beside the report.", show_default=False),
    ] = None

    @property
    def begins(self) -> str:
        """What is said before anything slow is imported."""
        return f"reading {self.matrix}"

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise typer.BadParameter(f"{self.low:g} to {self.high:g} is no range above 0", param_hint="--from")


@command
@dataclass(frozen=True, kw_only=True)
class Merge(Json, Verbose, Home):
    """Bring the runs of other machines into this store."""

    homes: Annotated[
        tuple[Path, ...], typer.Argument(metavar="HOME", help="Homes of other machines.", show_default=False)
    ]


@command
@dataclass(frozen=True, kw_only=True)
class Gc(Json, Verbose, Home, Plugins):
    """Remove checkpoints and caches that nothing needs."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False


@command
@dataclass(frozen=True, kw_only=True)
class Ui(Verbose, Home):
    """Open MLflow's user interface on the store."""

    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")] = 5000


@command
@dataclass(frozen=True, kw_only=True)
class Data(Json, Verbose, Home, Plugins):
    """Fetch and describe a data set: classes, duplicates."""

    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME|M.yaml", help="A source, or a matrix file's data set.", show_default=False),
    ] = None
    path: Annotated[
        Path | None, typer.Option("--path", help="A folder or .npz file of your own.", show_default=False)
    ] = None

    def __post_init__(self) -> None:
        if self.name is None and self.path is None:
            raise typer.BadParameter("give a source's name, a matrix file or --path")


@command
@dataclass(frozen=True, kw_only=True)
class Models(Images, Json, Verbose, Plugins):
    """List the models there are, ours or those of a library."""

    timm: Annotated[
        str | None, typer.Option("--timm", metavar="GLOB", help="Networks of timm instead, such as 'resnet*'.")
    ] = None
    torchvision: Annotated[
        str | None, typer.Option("--torchvision", metavar="GLOB", help="Networks of torchvision instead.")
    ] = None
    parameters: Annotated[bool, typer.Option("--parameters", help="Count parameters too (slower).")] = False


@command
@dataclass(frozen=True, kw_only=True)
class Show(Images, Json, Verbose, Plugins):
    """Show what components there are; one's options; a model's layers."""

    names: Annotated[
        tuple[str, ...],
        typer.Argument(
            metavar="[KIND] [NAME]",
            help="A component's name; or model, optimizer, schedule, augmentation or source; or both. Nothing: all.",
            show_default=False,
        ),
    ] = ()
    option: Annotated[
        tuple[str, ...],
        typer.Option("--set", metavar="OPTION=VALUE", help="An option of the model; may be given again."),
    ] = ()


@command
@dataclass(frozen=True, kw_only=True)
class Schema(Verbose, Plugins):
    """Print the JSON Schema of a matrix file, for editors."""


@command
@dataclass(frozen=True, kw_only=True)
class Doctor(Json, Verbose, Home):
    """Check what of this machine would spoil a run."""


@app.command("help")
def _help(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="One command's options.", show_default=False)
    ] = None,
) -> None:
    """Show this list, or the options of a command."""
    app([name, "--help"] if name else ["--help"], prog_name=context.find_root().info_name)
