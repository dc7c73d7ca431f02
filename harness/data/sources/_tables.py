"""Tables of images: which Parquet column is which, their rows as images to decode, label values -> labels from 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.data.decode import MANY, Item
from harness.data.image_files import UnreadableImageError, irregular
from harness.data.sources._trees import same
from harness.errors import DataError, nearest
from harness.words import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Columns:
    """The image column, whether it is a struct with `bytes`, and the label column."""

    image: str
    is_struct: bool
    label: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of one row group, as a chunk to decode."""

    first: int
    count: int
    file: Path
    row_group: int
    offset: int
    """The first row of the group that it looks at."""
    columns: Columns
    kept: NDArray[np.bool_] | None = None
    """Which of the rows that it looks at it has; None for all of them, which are `count` then."""

    @property
    def rows(self) -> int:
        """How many rows it looks at."""
        return self.count if self.kept is None else len(self.kept)

    def items(self) -> Iterator[Item]:
        """Yield the rows' images; the row group is read a few hundred rows at a time."""
        position = 0
        column = self.columns.image
        for batch in _batches(self.file, self.row_group, column):
            start, end = max(self.offset - position, 0), min(self.offset + self.rows - position, len(batch))
            if start < end:
                yield from self._items(batch.column(0).slice(start, end - start), position + start)
            position += len(batch)

    def _items(self, images: Any, position: int) -> Iterator[Item]:
        encoded = images.field("bytes") if self.columns.is_struct else images
        for row, value in enumerate(encoded, position):
            if self.kept is None or self.kept[row - self.offset]:
                yield f"{self.file.name}: row group {self.row_group}, row {row}", _Opener(value.as_py())


def _batches(file: Path, row_group: int, column: str) -> Iterator[Any]:
    """Yield a column of a row group some hundred rows at a time; raises DataError where its pages are damaged."""
    try:
        yield from pq.ParquetFile(file).iter_batches(_ROWS, row_groups=[row_group], columns=[column])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: row group {row_group}, column {column}: damaged: {error}") from error


@dataclass(frozen=True, slots=True)
class _Opener:
    encoded: bytes | None

    def __call__(self) -> IO[bytes]:
        if not self.encoded:
            raise UnreadableImageError("there is no image in this row")
        return BytesIO(self.encoded)


def open_file(file: Path) -> pq.ParquetFile:
    """Return the file with its footer read; raises DataError when it is no Parquet file."""
    try:
        if other := irregular(file):
            raise DataError(f"{file}: {other}, not a file")
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: cannot be read as Parquet: {error}") from error


def find_columns(file: Path, image: str | None, label: str | None) -> Columns:
    """Return the columns by the options, or by their type and usual names.

    Raises:
        DataError: a named column is not there, or none or several could be meant.
    """
    schema = open_file(file).schema_arrow
    image = _column(file, schema, image, _IMAGES)
    rest = [field for field in schema if field.name != image]
    label = _column(file, pa.schema(rest), label, _LABELS)
    return Columns(image, pa.types.is_struct(schema.field(image).type), label)


def chunks_of(
    files: Sequence[Path], columns: Columns, processes: int, kept: NDArray[np.bool_] | None = None
) -> list[Rows]:
    """Return the rows of all files as chunks, large row groups cut so that each process gets some.

    `kept` [N] says which of all rows; the others are not decoded.
    """
    chunks: list[Rows] = []
    first = position = 0
    for file in files:
        metadata = open_file(file).metadata
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            step = max(MANY // 2, -(-count // processes))
            for offset in range(0, count, step):
                rows = min(step, count - offset)
                here = None if kept is None else kept[position : position + rows]
                wanted = rows if here is None else int(here.sum())
                if wanted:
                    chunks.append(Rows(first, wanted, file, group, offset, columns, here))
                first += wanted
                position += rows
    return chunks


def read_column(files: Sequence[Path], name: str) -> NDArray[np.generic]:
    """Return a column of whole numbers or text [N] over all files.

    Raises:
        DataError: there is no such column in one of them, it has empty rows, or is of another type.
    """
    parts = []
    for file in files:
        names = open_file(file).schema_arrow.names
        if name not in names:
            raise DataError(f'{file}: there is no column "{name}"{nearest(name, names)}')
        parts.append(_values(file, name))
    return np.concatenate(parts)


def read_paths(files: Sequence[Path], columns: Columns) -> list[str]:
    """Return the field `path` of the image column over all files; nothing where a row or a file has none."""
    found: list[str] = []
    for file in files:
        kind = open_file(file).schema_arrow.field(columns.image).type
        if not columns.is_struct or not any(each.name == "path" and pa.types.is_string(each.type) for each in kind):
            return []
        column = _read(file, f"{columns.image}.path")
        found += [(row or {}).get("path") or "" for row in column.to_pylist()]
    return found if all(found) else []


def _values(file: Path, name: str) -> NDArray[np.generic]:
    column = _read(file, name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        rows = np.flatnonzero(np.asarray(column.is_null()))
        raise DataError(f'{file}: column "{name}" is empty in {len(rows):,} rows, the first is row {rows[0]}')
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.to_pylist()
    if pa.types.is_integer(column.type) and max(values, default=0) > np.iinfo(np.int64).max:
        raise DataError(f'{file}: column "{name}" has {max(values)}; labels are whole numbers below 2**63')
    return np.array(values, dtype=np.int64 if pa.types.is_integer(column.type) else np.str_)


def _read(file: Path, column: str) -> Any:
    try:
        return open_file(file).read(columns=[column]).column(0)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: column {column}: damaged: {error}") from error


def names_in_metadata(file: Path, label: str) -> tuple[str, ...] | None:
    """Return the class names that the schema's metadata (key `huggingface`) holds, if any."""
    metadata = open_file(file).schema_arrow.metadata or {}
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][label]
        return tuple(str(name) for name in feature["names"])
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Role:
    """What a column is for: the option that names it, its usual names, the types it can have."""

    option: str
    usual: tuple[str, ...]
    fits: Callable[[Any], bool]
    wanted: str


def _column(file: Path, schema: Any, given: str | None, role: _Role) -> str:
    if given is not None:
        if given not in schema.names:
            raise DataError(f'{file}: {role.option}: there is no column "{given}"{nearest(given, schema.names)}')
        if pa.types.is_nested(schema.field(given).type) and not role.fits(schema.field(given).type):
            raise DataError(f'{file}: {role.option}: column "{given}" is {schema.field(given).type}; {role.wanted}')
        return given
    fitting = [field.name for field in schema if role.fits(field.type)]
    for name in role.usual:
        if name in fitting:
            return name
    if len(fitting) == 1:
        return str(fitting[0])
    if fitting:
        raise DataError(f"{file}: give {role.option}; several could be meant: {', '.join(fitting)}")
    others = ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"
    raise DataError(f"{file}: no column can be {role.option}: {role.wanted}; the other columns: {others}")


def _holds_images(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _holds_labels(kind: Any) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(value) or pa.types.is_large_string(value)
    return bool(text or pa.types.is_integer(value) or pa.types.is_boolean(value))


_IMAGE_TYPES: Final = "images are binary, or a struct with a field bytes"
_IMAGES: Final = _Role("image_column", ("image", "img", "picture"), _holds_images, _IMAGE_TYPES)
_USUAL_LABELS: Final = ("label", "labels", "fine_label", "class", "target", "category")
_LABEL_TYPES: Final = "labels are whole numbers, text, or true and false"
_LABELS: Final = _Role("label_column", _USUAL_LABELS, _holds_labels, _LABEL_TYPES)


def class_names(values: NDArray[np.generic]) -> tuple[str, ...]:
    """Return the distinct label values [N], sorted as numbers or as text, as class names."""
    return tuple(str(value) for value in np.unique(values).tolist())


def present(declared: tuple[str, ...], values: NDArray[np.generic]) -> tuple[str, ...]:
    """Return the declared classes that some training label [N] has; all of them where a label is none of them."""
    if not np.issubdtype(values.dtype, np.integer):
        used = set(map(same, map(str, np.unique(values).tolist())))
        return tuple(name for name in declared if same(name) in used)
    numbers = values.astype(np.int64)
    counts = np.bincount(numbers[(numbers >= 0) & (numbers < len(declared))], minlength=len(declared))
    return tuple(name for name, count in zip(declared, counts, strict=True) if count)


def left_out(declared: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Return a remark where classes are declared that no training image has."""
    missing = [name for name in declared if name not in classes]
    return [f"classes that are declared but have no training image are left out: {', '.join(missing)}"] * bool(missing)


def encode_labels(
    where: str, values: NDArray[np.generic], classes: Sequence[str], declared: Sequence[str] | None
) -> NDArray[np.int64]:
    """Return labels int64 [N] for label values.

    Args:
        where: the file, for messages.
        values: whole numbers or text [N].
        classes: the names of all classes.
        declared: the names that whole numbers count through, some of which may be no class for want of training
            images; None where, as for text, they are looked up by name.

    Raises:
        DataError: naming the rows whose value is no class.
    """
    known = {same(name): label for label, name in enumerate(classes)}
    if declared is not None and np.issubdtype(values.dtype, np.integer):
        meant = np.array([known.get(same(name), -1) for name in declared], dtype=np.int64)
        numbers = values.astype(np.int64)
        is_one = (numbers >= 0) & (numbers < len(declared))
        labels = np.where(is_one, meant[np.where(is_one, numbers, 0)], -1)
    else:
        distinct, positions = np.unique(values, return_inverse=True)
        labels = np.array([known.get(same(str(value)), -1) for value in distinct.tolist()], dtype=np.int64)[positions]
    unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        rows = [f"row {row}: {values[row]}" for row in unknown]
        raise DataError(
            f"{where}: labels that are no class ({len(unknown):,}); there are {len(classes)} classes, "
            f"{_shown(classes)}\n{listed(rows)}"
        )
    return labels


def _shown(classes: Sequence[str]) -> str:
    return ", ".join(classes) if len(classes) <= 10 else f"{classes[0]} to {classes[-1]}"
