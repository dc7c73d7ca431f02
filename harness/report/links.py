"""From what is shown to the MLflow runs that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from harness.report.blocks import Run
from harness.report.records import ReportStore
from harness.report.variants import Variant

LOCAL: Final = "http://127.0.0.1:5000"
"""Where `harness ui` serves an embedded store unless it is told another port."""
MOST_LINKS: Final = 12


@dataclass(frozen=True, slots=True)
class Links:
    """Where MLflow's UI shows the runs of a store: at `base`, once it is served there."""

    base: str

    def address(self, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.base}/#/runs/{quote(run_id, safe='')}"

    @property
    def explained(self) -> str:
        """How the links come alive, in a sentence."""
        if self.base == LOCAL:
            return (
                "Links to runs open in MLflow's UI on this machine: start it with harness ui where the study "
                f"was run (it serves {LOCAL}), then follow them."
            )
        return f"Links to runs open in MLflow's UI at {self.base}."


def links_of(store: ReportStore) -> Links:
    """Return the links of a store: a server's own address, without a user's name or password in it, else `LOCAL`."""
    parts = urlsplit(store.uri)
    if parts.scheme not in {"http", "https"}:
        return Links(LOCAL)
    host = parts.netloc.rpartition("@")[2]
    return Links(f"{parts.scheme}://{host}{parts.path}".rstrip("/"))


def runs_of(variant: Variant) -> tuple[Run, ...]:
    """Return the runs that a variant's figures come from, named by their seeds; the first twelve."""
    runs = [Run(f"s{entry.seed}", entry.run.run_id) for entry in variant.finished if entry.run is not None]
    return tuple(runs[:MOST_LINKS])
