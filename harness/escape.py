"""Names and texts where letters mean something: in Markdown, in spreadsheets, in JSON, as the name of a file.

What is shown comes from matrix files, data sets, plugins, servers and the stores of strangers. Whoever writes a format
escapes, with these functions, and nobody before: `printable` for a terminal, the templates of a page for HTML,
`report/latex.py` for LaTeX, and these for the rest.
"""

from __future__ import annotations

import json
import re
import unicodedata
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from harness.errors import printable

_MARKUP: Final = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""What GitHub's Markdown takes for markup within a line; an underscore within a word is none."""
_BLOCK: Final = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))|(?=#{1,6}(?:\s|$)|>|[-+](?:\s|$)|-{3,}$)")
"""What it takes for a heading, a quotation, a list or a rule at the beginning of a line."""
_ADDRESS: Final = {"://": "&#58;//", "www.": "www&#46;", "@": "&#64;"}
"""What it makes links of without any markup."""
_FORMULA: Final = re.compile(r"'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20].")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)")
_LONGEST: Final = 120
_LONGEST_FOLDER: Final = 200
"""Bytes of a name: systems take 255, and a suffix or a number may follow."""
_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))})
"""Names that Windows keeps for devices, whatever follows their first dot."""


def in_markdown(text: str, *, begins_line: bool = False) -> str:
    r"""Return text on one line that Markdown shows as it is, with nothing alive in it.

    Args:
        text: Plain text.
        begins_line: Whether nothing stands before it on its line, so that it could begin a heading or a list.

    >>> in_markdown("[x](javascript:alert(1)) & <b>")
    '\\[x\\](javascript:alert(1)) &amp; &lt;b>'
    >>> in_markdown("# -0.5 at http://a.b", begins_line=True)
    '\\# -0.5 at http&#58;//a.b'
    """
    shown = _MARKUP.sub(r"\\\g<0>", _flat(text)).replace("&", "&amp;").replace("<", "&lt;")
    for plain, entity in _ADDRESS.items():
        shown = shown.replace(plain, entity)
    if begins_line and (found := _BLOCK.match(shown)):
        shown = f"{found[1] or ''}\\{shown[found.end() :]}"
    return shown


def in_markdown_code(text: str, *, in_table: bool = False) -> str:
    r"""Return text as a code span of Markdown; none of no text.

    Args:
        text: Plain text.
        in_table: Whether it stands in a table, where a bar would end the cell.

    >>> in_markdown_code("a`b")
    '``a`b``'
    """
    flat = _flat(text).replace("|", "\\|") if in_table else _flat(text)
    if not flat:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", flat)), default=0))
    room = " " if flat[0] == "`" or flat[-1] == "`" else ""
    return f"{fence}{room}{flat}{room}{fence}"


def _flat(text: str) -> str:
    return printable(re.sub(r"\s+", " ", text).strip())


def in_csv(value: Any) -> Any:
    """Return a value of a table that no spreadsheet takes for a formula: such a text begins with an apostrophe.

    >>> [in_csv(value) for value in ("=1+1", "-0.5", -0.5, "-augmentation", "-")]
    ["'=1+1", '-0.5', -0.5, "'-augmentation", '-']
    """
    if not isinstance(value, str):
        return value
    shown = printable(value, "\n")
    return f"'{shown}" if _FORMULA.match(shown) and not _NUMBER.fullmatch(shown) else shown


def from_csv(text: str) -> str:
    """Return a text that `in_csv` wrote as it was before.

    >>> from_csv("'=1+1"), from_csv("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def in_json(text: str) -> str:
    r"""Return JSON text with what a terminal would obey as escapes of JSON's own.

    >>> in_json('"a\u202eb\x9b"')
    '"a\\u202eb\\u009b"'
    """
    if text.isprintable():
        return text
    return "".join(each if each == "\n" or printable(each) == each else json.dumps(each)[1:-1] for each in text)


def shown(value: Any) -> Any:
    """Return JSON-like data in which all texts, names of fields too, are printable; ends of lines stay."""
    text = json.dumps(value, ensure_ascii=False)
    return value if text.isprintable() and "\\u00" not in text else _shown(value)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, "\n")
    if isinstance(value, dict):
        return {_shown(name): _shown(each) for name, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value


def file_stem(*parts: str) -> str:
    """Return a name that a file or folder can have on every system, in small Latin letters.

    Two names may become one; who writes files of both numbers them.

    >>> file_stem("curves", "Small CNN lr=0.1", "../loss"), file_stem("café"), file_stem("con")
    ('curves-small-cnn-lr=0.1-..-loss', 'cafe', '1143da2b-con')
    """
    text = "-".join(parts)
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    latin = "".join(each for each in decomposed if not unicodedata.combining(each))
    stem = re.sub(r"[^a-z0-9._=]+", "-", latin).strip("-.")
    if stem.partition(".")[0] in _DEVICES:
        return f"{_digest(text)}-{stem}"
    if 0 < len(stem) <= _LONGEST:
        return stem
    return f"{stem[:_LONGEST]}-{_digest(text)}".strip("-.")


def folder_of(name: str, parent: Path) -> Path:
    """Return the folder below `parent` that belongs to a name, and to no other name on any system.

    It is called as the name where every system takes that and no folder is there that a system which knows no case
    would take for it; else by what is left of the name and a digest of it.
    """
    is_plain = (
        printable(name) == name
        and not re.search(r'^$|[<>:"/\\|?*]|^[.\s]|[.\s]$', name)
        and len(name.encode()) <= _LONGEST_FOLDER
        and name.casefold().partition(".")[0] not in _DEVICES
    )
    there = [each.name for each in parent.iterdir()] if parent.is_dir() else []
    has_twin = name not in there and _folded(name) in map(_folded, there)
    return parent / (name if is_plain and not has_twin else f"{file_stem(name)}-{_digest(name)}")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
