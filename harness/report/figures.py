"""Charts, pictures and other files of a report's blocks, beside it: for Markdown and for papers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from harness.charts.style import Chart
from harness.report.blocks import Block, Charts, Code, Fold, Group, Images, Picture, Section

REFERRED: Final = re.compile(r"\]\(<?([^)<>]+?)>?\)")
STEMS: Final = (
    "results.", "curves-", "confusion-", "inside-", "ablation-", "errors-", "agreement", "reliability", "cost-",
)  # fmt: skip
"""How names in figures/ begin of what earlier versions drew."""
Named = TypeVar("Named", Chart, Picture)


def distinct(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return the same sections with the names of charts and pictures numbered where two would be one file."""
    taken: Counter[str] = Counter()
    return tuple(replace(each, blocks=_distinct(each.blocks, taken)) for each in sections)


def earlier_files(folder: Path) -> set[Path]:
    """Return the files that an earlier report has beside its tables: those that its results.md refers to."""
    report = folder / "results.md"
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    named = {folder / name for name in REFERRED.findall(text) if not Path(name).is_absolute() and ".." not in name}
    drawn = {path for path in (folder / "figures").glob("*") if path.name.startswith(STEMS)}
    return named | drawn


def remove(files: Iterable[Path]) -> None:
    """Remove files, and their folders where nothing else is in them."""
    for path in files:
        if path.is_file():
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def files_of(blocks: Iterable[Block]) -> Iterator[tuple[str, bytes]]:
    """Yield what is a file among blocks, by its path: charts as SVG and pictures in figures/, texts beside the page."""
    for block in blocks:
        match block:
            case Charts(page_only=True) | Images(page_only=True):
                pass
            case Charts():
                yield from ((f"figures/{chart.name}.svg", chart.svg().encode()) for chart in block.charts)
            case Images():
                pictures = (block.sheet,) if block.sheet is not None else block.pictures
                yield from ((f"figures/{each.name}", each.file) for each in pictures)
            case Code():
                yield block.file, block.text.encode()
            case Group() | Fold():
                yield from files_of(block.blocks)
            case _:
                pass


def _distinct(blocks: Iterable[Block], taken: Counter[str]) -> tuple[Block, ...]:
    found: list[Block] = []
    for block in blocks:
        match block:
            case Charts():
                found.append(replace(block, charts=tuple(_numbered(chart, taken) for chart in block.charts)))
            case Images(pictures, sheet=None):
                found.append(replace(block, pictures=tuple(_numbered(each, taken) for each in pictures)))
            case Images(sheet=Picture() as sheet):
                found.append(replace(block, sheet=_numbered(sheet, taken)))
            case Group() | Fold():
                found.append(replace(block, blocks=_distinct(block.blocks, taken)))
            case _:
                found.append(block)
    return tuple(found)


def _numbered(each: Named, taken: Counter[str]) -> Named:
    """Return a chart or picture by its own name, by that and a number where the name is taken."""
    taken[each.name] += 1
    if taken[each.name] == 1:
        return each
    name = Path(each.name) if isinstance(each, Picture) else Path(f"{each.name}.svg")
    stem = f"{name.stem}-{taken[each.name]}"
    return replace(each, name=stem + name.suffix if isinstance(each, Picture) else stem)
