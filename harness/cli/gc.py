"""`harness gc`: remove checkpoints and caches that nothing needs."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from harness.cli.console import print_json, results, say, shown_path, table
from harness.cli.options import Gc
from harness.execute.cleanup import Leftover, leftovers, remove
from harness.plugins import Catalog
from harness.track import Store, open_store, store_to_read
from harness.words import amount, size


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, and which of it a running process has taken up since."""

    leftover: Leftover
    removed: bool


def perform(asked: Gc) -> int:
    """Remove what nothing needs, or say what that would be.

    Raises:
        InputError: nothing was ever run in this home.
        StoreError: the store cannot be reached or read.
    """
    found = leftovers(_stores(asked), asked.cache, Catalog(asked.plugins))
    outcomes = [Outcome(each, not asked.dry_run and remove(each)) for each in found]
    if asked.json:
        print_json(_as_json(outcomes, asked.dry_run))
        return 0
    _print(outcomes, asked)
    return 0


def _stores(asked: Gc) -> list[Store]:
    smoke = asked.home / "smoke"
    stores = [store_to_read(asked.home)]
    return stores + ([open_store(smoke)] if (smoke / "mlflow.db").exists() else [])


def _print(outcomes: list[Outcome], asked: Gc) -> None:
    if not outcomes:
        say("nothing to remove: all that is kept may still be needed")
        return
    home, dry_run = asked.home.resolve(), asked.dry_run
    shown = table(f"below {shown_path(home)}", "size", "why", right=("size",))
    for each in outcomes:
        reason = each.leftover.reason if dry_run or each.removed else "kept: in use by now"
        shown.add_row(Text(str(each.leftover.path.resolve().relative_to(home))), size(each.leftover.size_bytes), reason)
    results().print(shown)
    freed = [each.leftover.size_bytes for each in outcomes if dry_run or each.removed]
    said = f"would free {size(sum(freed))}" if dry_run else f"freed {size(sum(freed))}"
    say(f"{amount(len(freed), 'folder')}: {said}{'; nothing was removed' if dry_run else ''}")


def _as_json(outcomes: list[Outcome], dry_run: bool) -> dict[str, object]:
    listed = [
        {
            "kind": each.leftover.kind,
            "path": str(each.leftover.path),
            "bytes": each.leftover.size_bytes,
            "why": each.leftover.reason,
            "removed": each.removed,
        }
        for each in outcomes
    ]
    counted = [each.leftover.size_bytes for each in outcomes if dry_run or each.removed]
    return {"dry_run": dry_run, "bytes": sum(counted), "leftovers": listed}
