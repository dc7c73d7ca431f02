"""Data sets of the Hugging Face Hub whose splits are Parquet files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from harness.contracts import MOST_MEGAPIXELS, LabeledImages, Layout, Positive, Source
from harness.data.decode import Wish
from harness.data.image_files import Reading
from harness.data.sources._layouts import NAMES, split_files
from harness.data.sources._shards import Carve, Shards, complete
from harness.errors import DataError
from harness.files import read_sealed, write_sealed
from harness.phases import phase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_INSTALL: Final = 'it takes the package huggingface-hub: pip install "sealed-harness[hub]"'


class Hub(Source):
    """A data set of the Hugging Face Hub, by its name and revision: `train*`, `validation*`, `test*` as Parquet files.

    Its columns are as those of the source parquet. Files are fetched by the package huggingface-hub (the extra `hub`)
    into its own cache, those of a split when the split is wanted; its variables count: `HF_HOME`, `HF_TOKEN`,
    `HF_ENDPOINT`, `HF_HUB_OFFLINE`. What a branch or tag was when it was fetched first stands until the cache is
    removed; `harness data` says which commit that is.
    """

    downloads: ClassVar[bool] = True
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    repo: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")]
    """The data set's name on the hub, such as `ylecun/mnist`."""
    commit: Annotated[str, Field(pattern=r"^[\w./-]+$")] = "main"
    """The revision, and `revision` may be written for it: a commit (40 hex digits), or a branch or tag, which may
    move."""
    folder: str = ""
    """The folder of the repository that the files are in, where it has several configurations; `data` need not be
    named."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the training rows that is the test split, where there is no other; with groups, whole ones."""
    test_groups: str | None = None
    """What `test_fraction` keeps whole; unless given, the `groups` of the data set."""
    image_column: str | None = None
    """Where several columns could hold the images."""
    label_column: str | None = None
    """Where several columns could hold the labels."""
    resize: Positive | tuple[Positive, Positive] | None = None
    """Side, or height and width."""
    channels: Literal["auto", 1, 3] = "auto"
    """auto: 1 where all training images are gray, else 3."""
    white: Positive | None = None
    """The value that becomes 255 in gray images of more than 8 bits, such as 4095 for 12 bits in use; else what the
    files can hold."""
    most_megapixels: Positive = MOST_MEGAPIXELS
    """Images of more million pixels are refused, for a small file can fill any memory."""

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, options: Any) -> Any:
        """Take the hub's word for a commit: a component's own `revision` is that of its code."""
        if not isinstance(options, dict) or "revision" not in options:
            return options
        if "commit" in options:
            raise ValueError("commit and revision are one: give one of them")
        return {("commit" if name == "revision" else name): value for name, value in options.items()}

    def fetch(self, split: str, root: Path) -> None:
        """Fetch the split's files unless they are in the package's cache, and check that they open as Parquet."""
        self._shards(root).check(split)

    def stamp(self, split: str, root: Path) -> str:
        """Return the commit, whose files never change, and what is carved of it."""
        return f"{self.repo} {self._commit(root)} {self.folder} {split}{self._carve.text}"

    def contents(self, split: str, root: Path) -> str:
        """Return a digest of the files' bytes, in the order of their names."""
        return self._shards(root).contents(split)

    def classes(self, root: Path) -> tuple[str, ...]:
        """Return the names in the metadata of the first training file, else the label values."""
        return self._shards(root).classes()

    def read(self, split: str, root: Path, scratch: Path, like: Layout | None = None) -> LabeledImages:
        """Decode a split, its files in the order of their names."""
        return self._shards(root).read(split, scratch, like)

    def names(self, split: str, root: Path) -> Sequence[str]:
        """Return what the image column's field `path` holds, where every row has one."""
        return self._shards(root).names(split)

    def counts(self, split: str, root: Path, classes: tuple[str, ...]) -> dict[str, int]:
        """Return how many rows each class has; reads the label column alone."""
        return self._shards(root).counts(split, classes)

    def remarks(self, root: Path) -> Sequence[str]:
        """Return which commit a branch or tag was, and which declared classes are left out."""
        moving = _COMMIT.fullmatch(self.commit) is None
        told = f"hub: {self.repo}: revision {self.commit} is commit {self._commit(root)}; to pin it, give that"
        return [*([told] if moving else []), *self._shards(root).remarks()]

    def groups(self, name: str, root: Path, split: str = "train") -> NDArray[np.str_]:
        """Return the column `name` [N] of a split's files as text."""
        return self._shards(root).groups(name, split)

    @property
    def _carve(self) -> Carve:
        return Carve(self.test_fraction, self.test_groups)

    def _shards(self, root: Path) -> Shards:
        wish = Wish(self.resize, self.channels, Reading(self.white, self.most_megapixels))
        return Shards(
            "hub", lambda split: self._files(split, root), self.image_column, self.label_column, wish, self._carve
        )

    def _files(self, split: str, root: Path) -> list[Path]:
        """Return a split's files: those of the package's cache, if all are there, else from the network."""
        commit = self._commit(root)
        try:
            return self._found(split, _snapshot(self.repo, commit, (), is_local=True))
        except DataError:
            with phase(f"fetching {split} of {self.repo}"):
                return self._found(split, _snapshot(self.repo, commit, self._patterns(split)))

    def _found(self, split: str, snapshot: Path) -> list[Path]:
        names = NAMES["val"] if split == "val" else (split,)
        place = snapshot / self.folder
        files = next((found for name in names if (found := split_files(place, name))), [])
        where = f"{self.repo}{f', folder {self.folder}' if self.folder else ''}"
        wanted = " or ".join(f"{name}*.parquet" for name in names)
        return complete(
            files, f"the {split} split of hub is missing: {where} has no {wanted}; folder: may name another"
        )

    def _patterns(self, split: str) -> tuple[str, ...]:
        names = NAMES["val"] if split == "val" else (split,)
        above = f"{self.folder.strip('/')}/" if self.folder else ""
        places = (above, f"{above}data/")
        ends = (".parquet", "-*.parquet", "/*.parquet")
        return tuple(f"{place}{name}{end}" for place in places for name in names for end in ends)

    def _commit(self, root: Path) -> str:
        """Return the commit of the revision, as it was when it was asked for first."""
        if _COMMIT.fullmatch(self.commit):
            return self.commit
        pin = root / re.sub(r"[^\w.-]", "--", f"{self.repo}@{self.commit}")
        if (known := read_sealed(pin)) is not None:
            return known.decode()
        try:
            commit = _snapshot(self.repo, self.commit, self._patterns("train")).name
        except DataError as error:
            try:
                commit = _snapshot(self.repo, self.commit, (), is_local=True).name
            except DataError:
                raise error from None  # which says why it is not fetched
        write_sealed(pin, lambda file: file.write(commit.encode()))
        return commit


def _snapshot(repo: str, revision: str, patterns: Sequence[str], *, is_local: bool = False) -> Path:
    """Return the folder of a commit in the package's cache, which may hold a part of its files.

    Raises:
        DataError: the package is not installed, the hub has no such data set or commit, or it cannot be reached.
    """
    where = f"hub: {repo}, revision {revision}"
    try:
        hub: Any = import_module("huggingface_hub")
        errors: Any = import_module("huggingface_hub.errors")
        import_module("huggingface_hub.utils").disable_progress_bars()  # what goes on is a phase
    except ImportError as error:
        raise DataError(f"{where}: {_INSTALL}") from error
    wanted = {"repo_type": "dataset", "revision": revision, "local_files_only": is_local}
    try:
        return Path(hub.snapshot_download(repo, allow_patterns=list(patterns) or None, **wanted))
    except errors.RevisionNotFoundError as error:
        raise DataError(f"{where}: the data set has no such revision") from error
    except errors.RepositoryNotFoundError as error:
        raise DataError(f"{where}: there is no such data set, or it takes a token (HF_TOKEN)") from error
    except Exception as error:  # the package raises what its transport does, and that changes with its version
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(f"{where}: is not in the cache of huggingface-hub and cannot be fetched: {told}") from error
