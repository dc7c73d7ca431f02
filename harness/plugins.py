"""Components found by file name: one file, one public class, options = its fields.

Declaring is cheap, realizing is not. To check a matrix file one needs each component's options,
not torch. So `declare` runs only the declaration part of a component file: the imports of light
modules, the module's constants and its public class (whose methods are defined, not run).
`realize` imports the whole file and builds the component.

What a component does is also written in the files that it shares with others, such as `baselines/_layers.py`. So the
digest of its source covers its own file and every module of ours that this imports, and those import in turn: files of
its folder, and modules of `harness` and `baselines`. Left out are `harness.contracts`, `words`, `errors`, `phases`,
`plugins`, `charts` and `pictures`, which hold types, texts, how components are found and how things look, and compute
no result; imports for type checkers alone; and what is installed. `environment.txt` of a run says which versions of
that there were.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from harness.errors import InputError, PluginError, nearest

KINDS: Final = {
    "ClassicalModel": "model",
    "NetworkModel": "model",
    "Augmentation": "augmentation",
    "Optimizer": "optimizer",
    "Schedule": "schedule",
    "Source": "source",
}
"""Base class named in a component file -> kind of component."""

_HERE: Final = Path(__file__).parent


def shipped(folder: str) -> Path:
    """Return a folder that lies beside `harness/` in a clone and within it once installed.

    A wheel that had `baselines` as a package of its own could clash with another project's.
    """
    inside = _HERE / folder
    return inside if inside.is_dir() else _HERE.parent / folder


BUILT_IN: Final = (
    shipped("baselines"),
    _HERE / "augmentations",
    _HERE / "train" / "optimizers",
    _HERE / "train" / "schedules",
    _HERE / "data" / "sources",
)
_SORTS: Final = frozenset(KINDS.values())
_LIGHT: Final = {"__future__", "typing", "pydantic", "collections", "dataclasses", "enum", "math", "pathlib"}
_LIGHT_OURS: Final = {"harness.architectures", "harness.contracts", "harness.errors"}
_ROOTS: Final = {"baselines": shipped("baselines"), "harness": _HERE}
"""Packages of ours -> folder."""
_COMPUTE_NOTHING: Final = {"architectures", "charts", "contracts", "errors", "phases", "pictures", "plugins", "words"}
"""Modules of `harness` that a component's results do not depend on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A component file; `base` is the contract class that its public class derives from."""

    kind: str
    name: str
    path: Path
    base: str

    @property
    def source_digest(self) -> str:
        """Digest of its file and of what that imports of ours: when it changes without `revision`, results are stale.

        Raises:
            PluginError: one of the files is no Python.
        """
        known = _DIGESTS.get(self)
        if known is None or any(_stamp(path) != stamp for path, stamp in known.stamps):
            known = _DIGESTS[self] = _digested(self)
        return known.digest


class Catalog:
    """All components of the built-in folders and of the folders a user names.

    Raises:
        InputError: a folder is not there.
        PluginError: a file is no component; the message names file and line.
    """

    def __init__(self, extra: Sequence[Path] = ()) -> None:
        self.extra = tuple(extra)
        for folder in self.extra:
            if not folder.is_dir():
                raise InputError(f"--plugins {folder}: no such folder")
        self._found = {(each.kind, each.name): each for folder in (*BUILT_IN, *self.extra) for each in _scan(folder)}
        self._names = {kind: tuple(sorted(name for each, name in self._found if each == kind)) for kind in _SORTS}

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of all components of a kind, sorted."""
        return self._names[kind]

    def find(self, kind: str, name: str) -> Found:
        """Return where a component lives.

        Raises:
            InputError: there is no such component; the message has the nearest name.
        """
        found = self._found.get((kind, name))
        if found is None:
            raise InputError(f'there is no {kind} "{name}"{nearest(name, self.names(kind))}')
        return found

    def declare(self, kind: str, name: str) -> type[Any]:
        """Return the component's class for checking options; its methods may not be called.

        Raises:
            InputError: there is no such component.
            PluginError: its file cannot be run.
        """
        return _declare(self.find(kind, name))

    def realize(self, kind: str, name: str, options: Mapping[str, Any]) -> Any:
        """Import the component's file and return the component with these options.

        Raises:
            InputError: there is no such component.
            PluginError: its file cannot be imported.
        """
        return _import(self.find(kind, name))(**options)


@dataclass(frozen=True, slots=True)
class _Digested:
    digest: str
    stamps: tuple[tuple[Path, tuple[int, int]], ...]
    """Each file that it covers, and what it was like."""


_DIGESTS: Final[dict[Found, _Digested]] = {}


def _digested(found: Found) -> _Digested:
    """Read a component's file, and the files of every module of ours that it imports, directly or not."""
    texts: dict[str, str] = {}
    stamps: dict[Path, tuple[int, int]] = {}
    waiting = [found.path]
    while waiting:
        path = waiting.pop()
        if path not in stamps:
            stamps[path] = _stamp(path)
            texts[_module_name(path, found.path.parent)] = sha256(path.read_bytes()).hexdigest()
            waiting += _imports(_parse(path), path)
    return _Digested(sha256(repr(sorted(texts.items())).encode()).hexdigest()[:16], tuple(stamps.items()))


def _imports(node: ast.AST, path: Path) -> Iterator[Path]:
    """Yield the files of the modules of ours that a node of a file's tree imports."""
    for each in ast.iter_child_nodes(node):
        match each:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _imports(ast.Module(each.orelse, type_ignores=[]), path)
            case ast.Import(names=names):
                yield from (file for alias in names if (file := _file_of(alias.name)) is not None)
            case ast.ImportFrom(module=module, names=names, level=0):
                found = [_file_of(f"{module}.{alias.name}") or _file_of(str(module)) for alias in names]
                yield from (file for file in found if file is not None)
            case ast.ImportFrom(module=module, names=names, level=level):
                folder = path.parents[level - 1].joinpath(*(module or "").split("."))
                found = [_module(folder / alias.name) or _module(folder) for alias in names]
                yield from (file for file in found if file is not None)
            case _:
                yield from _imports(each, path)


def _file_of(module: str) -> Path | None:
    """Return the file of a module of ours that computes something, by its absolute name."""
    package, *parts = module.split(".")
    if package not in _ROOTS or (package == "harness" and (not parts or parts[0] in _COMPUTE_NOTHING)):
        return None
    return _module(_ROOTS[package].joinpath(*parts))


def _module(path: Path) -> Path | None:
    """Return the file of the module or package at a path without suffix."""
    files = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _module_name(path: Path, folder: Path) -> str:
    """Return a name for a source that is the same wherever the harness lies: its place below one of our folders."""
    for name, root in ((".", folder), *_ROOTS.items()):
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    return path.name


def _scan(folder: Path) -> list[Found]:
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    return [_look(path) for path in files]


def _look(path: Path) -> Found:
    node = _public_class(path)
    base = next(base.id for base in node.bases if isinstance(base, ast.Name) and base.id in KINDS)
    return Found(KINDS[base], path.stem, path, base)


def _public_class(path: Path) -> ast.ClassDef:
    """Return the class that the file is named after; raises PluginError saying what is missing."""
    wanted = path.stem.replace("_", "")
    for node in _parse(path).body:
        if isinstance(node, ast.ClassDef) and node.name.lower() == wanted:
            if any(isinstance(base, ast.Name) and base.id in KINDS for base in node.bases):
                return node
            raise PluginError(f"{path}:{node.lineno}: class {node.name} must derive from one of {', '.join(KINDS)}")
    raise PluginError(f"{path}:1: no class named after the file (a class {_camel(path.stem)})")


def _camel(stem: str) -> str:
    return "".join(part.capitalize() for part in stem.split("_"))


def _parse(path: Path) -> ast.Module:
    return _parse_once(path, _stamp(path))


@lru_cache(maxsize=4096)
def _parse_once(path: Path, _: tuple[int, int]) -> ast.Module:
    try:
        return ast.parse(path.read_text(), str(path))
    except SyntaxError as error:
        raise PluginError(f"{path}:{error.lineno}: {error.msg}") from error


def _stamp(path: Path) -> tuple[int, int]:
    """Return what is another once a file has changed."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@cache
def _declare(found: Found) -> type[Any]:
    module = ModuleType(f"{_package(found.path.parent)}.declared.{found.name}")
    module.__file__ = str(found.path)  # where docstrings of fields are read
    sys.modules[module.__name__] = module  # pydantic looks a class's module up by name
    body = [node for node in _parse(found.path).body if _is_light(node)]
    body.append(_public_class(found.path))
    try:
        _run(ast.Module(body, type_ignores=[]), found.path, module)
    except NameError:  # a field's type or default needs a heavy import
        return _import(found)
    except Exception as error:
        raise _located(found.path, error) from error
    return _named(module, found)


def _is_light(node: ast.stmt) -> bool:
    match node:
        case ast.Import(names=names):
            return all(_is_light_module(alias.name) for alias in names)
        case ast.ImportFrom(module=str(name)):
            return _is_light_module(name)
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return _is_constant(value)
    return False


def _is_light_module(name: str) -> bool:
    return name.partition(".")[0] in _LIGHT or name in _LIGHT_OURS


def _is_constant(value: ast.expr) -> bool:
    """Whether a module constant is made of literals and of typing and pydantic names alone."""
    calls = {node.func.id for node in ast.walk(value) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    dotted = any(isinstance(node, ast.Attribute) for node in ast.walk(value))
    return calls <= {"Field"} and not dotted


@cache
def _import(found: Found) -> type[Any]:
    name = f"{_package(found.path.parent)}.{found.name}"
    importlib.invalidate_caches()  # the file may be younger than the last look into its folder
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise _located(found.path, error) from error
    return _named(module, found)


@cache
def _package(folder: Path) -> str:
    """Make a folder of components a package, so that they may share files: `from ._layers import ...`."""
    package = ModuleType(f"harness_components_{sha256(str(folder).encode()).hexdigest()[:8]}")
    package.__path__ = [str(folder)]
    sys.modules[package.__name__] = package
    return package.__name__


def _run(tree: ast.Module, path: Path, module: ModuleType) -> None:
    code = compile(tree, str(path), "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, module.__dict__)


def _named(module: ModuleType, found: Found) -> type[Any]:
    component: type[Any] = getattr(module, _public_class(found.path).name)
    return component


def _located(path: Path, error: Exception) -> PluginError:
    line = 1
    trace = error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    return PluginError(f"{path}:{line}: {type(error).__name__}: {error}")
