"""The run that stands for one `harness run`: plan, matrix file, machine, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.contracts import Outcome, StudyPlan, Watcher
from harness.execute.cell_run import Surroundings, device_tags
from harness.execute.interrupts import Interrupts
from harness.execute.locks import is_alive
from harness.execute.packing import Packing
from harness.execute.settings import RunSettings
from harness.track import EndStatus, Store
from harness.track.environment import environment_text, git_state, uncommitted


def start_matrix(
    plan: StudyPlan, store: Store, settings: RunSettings, packing: Packing, *, watcher: Watcher, interrupts: Interrupts
) -> Surroundings:
    """Start the run with the plan and the matrix file as artifacts; return what its cells share."""
    tags = machine_tags(settings, packing.names)
    with interrupts.shield():
        _bury_dead(plan.study, store)
        own = {"harness.partial": str(plan.partial).lower(), "harness.matrix": plan.matrix}
        name = f"matrix {Path(plan.matrix).stem}"
        run_id = store.start_run(plan.study, "matrix", name, tags={**tags, **own})
        environment = environment_text(Path.cwd(), ", ".join(packing.names), settings.workers, settings.threads)
        store.log_text(run_id, plan.model_dump_json(indent=1), "plan.json")
        store.log_text(run_id, environment, "environment.txt")
        changes = uncommitted(Path.cwd())
        if changes:
            store.log_text(run_id, changes, "uncommitted.diff")
        if Path(plan.matrix).is_file():
            store.log_text(run_id, Path(plan.matrix).read_text(), "matrix.yaml")
    return Surroundings(
        store=store,
        watcher=watcher,
        interrupts=interrupts,
        packing=packing,
        study=plan.study,
        parent=run_id,
        tags=tags,
        environment=environment,
        plugins=settings.plugins,
        with_models=not settings.smoke,
    )


def machine_tags(settings: RunSettings, devices: Sequence[str]) -> dict[str, str]:
    """Return the tags that say which code ran where; the runs of cells say on which of the devices."""
    return {
        "harness.git": git_state(Path.cwd()),
        **device_tags(devices),
        "harness.smoke": str(settings.smoke).lower(),
    }


def end_matrix(around: Surroundings, outcomes: Sequence[Outcome]) -> None:
    """End the run with counts of the outcomes, FAILED if any cell failed, KILLED if any was cut short."""
    counts = Counter(outcome.state for outcome in outcomes)
    rows = [f"| {state} | {count} |" for state, count in counts.items()]
    note = "\n".join(["| cells | number |", "|---|---:|", *rows])
    around.store.tag(around.parent, {"mlflow.note.content": note})
    status: EndStatus = "KILLED" if counts["interrupted"] else "FINISHED"
    around.store.end(around.parent, "FAILED" if counts["failed"] else status)


def _bury_dead(study: str, store: Store) -> None:
    """Mark matrix runs KILLED whose process is gone."""
    for record in store.records(study):
        if record.kind == "matrix" and record.status == "RUNNING" and not is_alive(record):
            store.end(record.run_id, "KILLED", "the process that ran it is gone")
