"""`harness export RUN -o DIR`: a finished run's model as a folder for others."""

from __future__ import annotations

from harness.cli.console import print_json, results, say, shown_path, table
from harness.cli.options import Export
from harness.errors import InputError
from harness.export import Bundle, write_bundle
from harness.phases import phase
from harness.track import store_to_read
from harness.track.fitted import load_fitted
from harness.words import size


def perform(asked: Export) -> int:
    """Write the folder and list what is in it.

    Raises:
        InputError: there is no such run, it is not finished, or the folder is not empty.
        StoreError: its model is missing or was changed.
        HarnessError: an exported program gives other scores than the model.
    """
    folder = asked.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not asked.force:
        raise InputError(f"{folder}: not an empty folder; choose another with -o, or write into it with --force")
    store = store_to_read(asked.home)
    fitted = load_fitted(store, asked.run, asked.plugins)
    folder.mkdir(parents=True, exist_ok=True)
    with phase(f"exporting {fitted.record.name}"):
        written = write_bundle(fitted, store, folder)
    if asked.json:
        print_json(_as_json(written))
        return 0
    shown = table("file", "size", "what it is", right=("size",))
    for file in written.files:
        shown.add_row(file.name, size((folder / file.name).stat().st_size), file.what)
    results().print(shown)
    for remark in written.remarks:
        say(remark)
    say(f"exported: {shown_path(folder.absolute())}")
    return 0


def _as_json(written: Bundle) -> dict[str, object]:
    files = [
        {"name": file.name, "what": file.what, "bytes": (written.folder / file.name).stat().st_size}
        for file in written.files
    ]
    return {"folder": str(written.folder), "files": files, "remarks": list(written.remarks)}
