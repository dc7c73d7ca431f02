"""What every section of a report is made from: read once, worked out once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from harness.contracts import StudyPlan
from harness.report.predictions import ImageSet, PredictionFiles, image_sets
from harness.report.significance import Verdicts, verdicts
from harness.report.store import Findings, ReportStore, gather
from harness.report.variants import (
    BY_ACCURACY,
    Links,
    Ranking,
    Variant,
    every_variant,
    experiment_variants,
    links_of,
    ranked,
)

T = TypeVar("T")
MOST_DRAWN: Final = 12
FEW_DRAWN: Final = 4
PICTURED: Final = 24
"""More pictures than that nobody looks through, and each takes time and room."""


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """A study as the store has it, and what more than one section needs to know of it."""

    findings: Findings
    store: ReportStore
    links: Links
    files: PredictionFiles
    """What each cell predicted."""
    variants: tuple[Variant, ...]
    """The experiments' variants, the best first."""
    every: tuple[Variant, ...]
    """The experiments' variants and after them the rows of ablations that are none of these."""
    tested: tuple[ImageSet, ...]
    """Who answered the same test images, and what each had right."""
    verdicts: Verdicts
    """Which of `variants` can be told apart."""
    _kept: dict[Callable[[Context], Any], Any] = field(default_factory=dict)

    @property
    def ranking(self) -> Ranking:
        """What the matrix file has the variants ranked by."""
        return Ranking(self.findings.plan.report.metric)

    @property
    def pictured(self) -> tuple[Variant, ...]:
        """The variants that get pictures: the first 24 of `every`."""
        return self.every[:PICTURED]

    @property
    def drawn(self) -> frozenset[str]:
        """The names of the pictured variants whose own charts and pictures are files too: of up to 12 all."""
        few = self.pictured if len(self.pictured) <= MOST_DRAWN else self.pictured[:FEW_DRAWN]
        return frozenset(variant.name for variant in few)

    def once(self, work_out: Callable[[Context], T]) -> T:
        """Return what a section's function makes of this context; asked again, the same value.

        So sections share what is dear: `context.once(all_curves)`.
        """
        if work_out not in self._kept:
            self._kept[work_out] = work_out(self)
        return cast("T", self._kept[work_out])


def context_of(store: ReportStore, study: str | StudyPlan, until: float | None = None) -> Context:
    """Read a study and compare its variants; `until` as in `gather`.

    Raises:
        InputError: the store holds no plan of that name.
        StoreError: the store cannot be read.
    """
    findings, files = gather(store, study, until), PredictionFiles(store)
    by = Ranking(findings.plan.report.metric)
    variants, every = ranked(experiment_variants(findings), by), every_variant(findings, by)
    tested = image_sets(every, files, "test")
    known = verdicts(variants, tested if by == BY_ACCURACY else image_sets(every, files, "test", by), by)
    return Context(findings, store, links_of(store, findings), files, variants, every, tested, known)
