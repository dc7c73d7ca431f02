"""Is the code still easy to find one's way in? Counts what `docs/architecture.md` promises; prints, never fails.

python benchmarks/house.py [FOLDER]     # another checkout, to compare

What is counted, in `harness/` and `baselines/` unless said:
- **files, lines**: Python files and all their lines.
- **most modules in one folder**: Python files that lie directly in it.
- **imports' share**: lines of import statements, those within functions too, among all lines.
- **files entered**: a walk goes from a function to every function and class of ours that its body names (annotations
  are not followed), and from there on; a file counts once something in it is entered. Methods are found by their
  class's name alone, so it is a lower bound. Each walk stays within its folders: `run` goes from `harness run`
  through cli, api, execute, tune and track, and stops where another walk or the cell begins; `report` from
  `write_report` through report; `load` from `load_study` through the package that reads matrix files.
- **cycles**: groups of modules that import each other. **Arrows back up**: imports of a higher layer, by the layers
  that import-linter is told in `pyproject.toml`.
- **public raisers documented**: public functions that hold a `raise`, and say so in their docstring.
- **array signatures with a shape**: public functions that take or return arrays or tensors, whose docstring (or that
  of their class) gives a shape such as [N, K], or says that they are scalars or of any shape.
- **suppressions**: `noqa` and `type: ignore`; those in tests and benchmarks stand apart.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef
Entity = tuple[str, str]
"""A module and a name that is defined at its top level."""

WALKS: Final = {
    "run": (("harness.cli.run", "perform"), ("cli", "api", "execute", "tune", "track")),
    "report": (("harness.report.write", "write_report"), ("report",)),
    "load": (("harness.matrix.load", "load_study"), ("matrix",)),
    "load, before": (("harness.spec.load", "load_study"), ("spec",)),
}
BORDERS: Final = {"load_study", "write_report", "run_cell"}
ARRAYS: Final = re.compile(r"\b(NDArray|Tensor|ndarray|Array)\b")
SHAPE: Final = re.compile(r"\[(<= )?[a-zA-Z0-9][\w ,.*+/<=-]*\]|\bscalars?\b|\b0-d\b|any shape|same shape")
SUPPRESSION: Final = re.compile(r"#\s*(ruff:\s*)?(noqa\b|type:\s*ignore)")


@dataclass(frozen=True)
class Module:
    """A parsed file; `name` is dotted, that of a package for its `__init__`."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @cached_property
    def imports(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """All import statements but those for type checkers alone."""
        skipped = {
            id(inner)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for inner in ast.walk(node)
        }
        found = (node for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom))
        return tuple(node for node in found if id(node) not in skipped)

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Local name -> module and name it was imported from; the name is empty for a module."""
        names: dict[str, tuple[str, str]] = {}
        for node in self.imports:
            if isinstance(node, ast.Import):
                names |= {alias.asname or alias.name: (alias.name, "") for alias in node.names}
            else:
                names |= {alias.asname or alias.name: (self.source_of(node), alias.name) for alias in node.names}
        return names

    def source_of(self, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module that a `from` imports from."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        package = parts[: len(parts) - node.level + (self.path.name == "__init__.py")]
        return ".".join([*package, *([node.module] if node.module else [])])

    @cached_property
    def defined(self) -> dict[str, ast.AST]:
        """Name -> function, class or value at the top level."""
        names: dict[str, ast.AST] = {}
        for node in self.tree.body:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    names[name] = node
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    names[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    names[name] = value
        return names


class House:
    """All modules of a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = sorted(path for top in ("harness", "baselines") for path in (root / top).rglob("*.py"))
        modules = (_parse(root, path) for path in paths)
        self.modules = {module.name: module for module in modules}

    def definition(self, module: str, name: str) -> Entity | None:
        """Return where a name that a module uses is defined, re-exports followed; None if it is not ours."""
        passed = set[Entity]()
        while module in self.modules and (module, name) not in passed:
            if name in self.modules[module].defined:
                return module, name
            passed.add((module, name))
            module, name = self.modules[module].imported.get(name, ("", ""))
        return None

    def named_in(self, module: str, node: ast.AST) -> Iterator[Entity]:
        """Yield what of ours a definition names, annotations left out."""
        for each in _walk_code(node):
            found = None
            if isinstance(each, ast.Name):
                found = self.definition(module, each.id)
            elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                source, name = self.modules[module].imported.get(each.value.id, ("", ""))
                found = self.definition(f"{source}.{name}".strip("."), each.attr)
            if found:
                yield found

    def entered(self, start: Entity, packages: Sequence[str]) -> int:
        """Return how many files a walk from `start` enters within packages of `harness`, 0 if there is no `start`."""
        todo, seen, files = [start] if self.definition(*start) else [], set[Entity](), set[str]()
        while todo:
            here = todo.pop()
            module, name = here
            inside = any(f"{module}.".startswith(f"harness.{package}.") for package in packages)
            if here in seen or not inside or (name in BORDERS and here != start):
                continue
            seen.add(here)
            node = self.modules[module].defined[name]
            if isinstance(node, Function | ast.ClassDef):
                files.add(module)
            todo.extend(self.named_in(module, node))
        return len(files)

    @cached_property
    def arrows(self) -> dict[str, set[str]]:
        """Module -> modules of ours that it imports."""
        return {name: set(self._targets(module)) - {name} for name, module in self.modules.items()}

    def _targets(self, module: Module) -> Iterator[str]:
        for source, name in module.imported.values():
            target = f"{source}.{name}" if f"{source}.{name}" in self.modules else source
            if target in self.modules:
                yield target

    def cycles(self) -> int:
        """Return the number of groups of modules that reach each other by imports."""
        reached = {name: self._reached(name) for name in self.modules}
        groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in self.modules}
        return sum(len(group) > 1 for group in groups)

    def _reached(self, start: str) -> set[str]:
        todo, seen = [start], set[str]()
        while todo:
            name = todo.pop()
            todo += [each for each in self.arrows[name] if each not in seen]
            seen |= self.arrows[name]
        return seen | {start}

    def back_up(self) -> int:
        """Return how many imports go from a layer to a higher one."""
        rules = tomllib.loads((self.root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        layers = next(rule["layers"] for rule in rules if rule["type"] == "layers")
        heights = {package: height for height, layer in enumerate(layers) for package in re.split(r"[|:\s]+", layer)}

        def height(name: str) -> int | None:
            return next((heights[each] for each in _ancestors(name) if each in heights), None)

        pairs = ((height(name), height(target)) for name, targets in self.arrows.items() for target in targets)
        return sum(here is not None and there is not None and there < here for here, there in pairs)


def public_functions(module: Module) -> Iterator[tuple[Function, str]]:
    """Yield public functions and methods with their docstring, that of the class appended."""
    for node in module.tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            about = ast.get_docstring(node) or ""
            for inner in node.body:
                if isinstance(inner, Function) and not inner.name.startswith("_"):
                    yield inner, f"{ast.get_docstring(inner) or ''}\n{about}"


def raises(function: Function) -> bool:
    """Whether a function itself raises something new."""
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(function))


def has_arrays(function: Function) -> bool:
    """Whether an annotation of its signature names an array type."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    annotations = [*(each.annotation for each in arguments), function.returns]
    return any(each is not None and ARRAYS.search(ast.unparse(each)) for each in annotations)


def counts(root: Path) -> dict[str, str]:
    """Return the rows of the table."""
    house = House(root)
    lines = sum(module.text.count("\n") for module in house.modules.values())
    importing = sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for module in house.modules.values()
        for node in module.imports
    )
    crowded, most = Counter(module.path.parent for module in house.modules.values()).most_common(1)[0]
    functions = [each for module in house.modules.values() for each in public_functions(module)]
    raisers = ["raise" in (ast.get_docstring(function) or "").lower() for function, _ in functions if raises(function)]
    arrays = [bool(SHAPE.search(text)) for function, text in functions if has_arrays(function)]
    walks = {name: house.entered(*walk) for name, walk in WALKS.items()}
    load = walks["load"] or walks["load, before"]
    return {
        "files, lines": f"{len(house.modules)}, {lines:,}",
        "most modules in one folder": f"{most} ({crowded.relative_to(root)})",
        "imports' share of lines": f"{importing / lines:.1%}",
        "files entered by run, report, load": f"{walks['run']}, {walks['report']}, {load}",
        "cycles, arrows back up": f"{house.cycles()}, {house.back_up()}",
        "public raisers documented": _share(raisers),
        "array signatures with a shape": _share(arrays),
        "suppressions": f"{_suppressions(root, 'harness', 'baselines')}, {_suppressions(root, 'tests', 'benchmarks')}",
    }


def _parse(root: Path, path: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    text = path.read_text()
    return Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path, text, ast.parse(text))


def _suppressions(root: Path, *folders: str) -> int:
    paths = (path for folder in folders for path in (root / folder).rglob("*.py"))
    return sum(len(SUPPRESSION.findall(path.read_text())) for path in paths)


def _walk_code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all below it, but for annotations."""
    yield node
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in {"annotation", "returns"}:
                yield from _walk_code(child)


def _ancestors(name: str) -> Iterator[str]:
    """Yield a.b.c, a.b, a."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _share(found: Sequence[bool]) -> str:
    return f"{sum(found) / len(found):.0%} of {len(found)}"


def main() -> None:
    """Print the table for the checkout that is named, else for this one."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    for name, value in counts(root.resolve()).items():
        print(f"{name:36} {value}")


if __name__ == "__main__":
    main()
