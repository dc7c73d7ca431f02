from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from benchmarks.gpu import run
from benchmarks.on_gpu.record import Record, read
from benchmarks.on_gpu.rows import Figures, Keep, Measurement, Row, State, measure
from benchmarks.on_gpu.tables import tables
from tests.benchmarks.conftest import CPU, record

LATER = "2026-01-02T00:00:00.000+00:00"


def fine(_: Keep) -> Figures:
    return {"recorded_rate": 1234.5}


def broken(keep: Keep) -> Figures:
    keep({"recorded_rate": 1000.0})
    raise RuntimeError("CUDA error: no kernel image\nmore of it")


def slow(keep: Keep) -> Figures:
    keep({"recorded_rate": 1000.0})
    time.sleep(60)
    return {}


def of(take: object, name: str = "mlp", needs: str = "") -> Measurement:
    return Measurement("speed", name, take, needs)  # type: ignore[arg-type]


def test_a_failing_measurement_is_a_row_and_the_next_is_taken(tmp_path: Path) -> None:
    kept = record(tmp_path / "gpu.json")
    rows = run([of(broken, "mlp"), of(fine, "small_cnn")], kept, CPU)
    assert [row.state for row in rows] == ["failed", "measured"]
    assert rows[0].reason == "RuntimeError: CUDA error: no kernel image"
    assert rows[0].figures == {"recorded_rate": 1000.0}
    assert read(tmp_path / "gpu.json").rows == tuple(rows)
    assert rows[0].is_bad
    assert not rows[1].is_bad


def test_a_row_is_in_the_file_before_the_measurement_is_over(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    seen: list[Row] = []

    def looking(keep: Keep) -> Figures:
        keep({"recorded_rate": 1.0})
        seen.extend(read(path).rows)
        return {"recorded_rate": 2.0}

    ended = measure(of(looking), record(path))
    assert [row.state for row in seen] == ["unfinished"]
    assert seen[0].figures == {"recorded_rate": 1.0}
    assert ended.figures == {"recorded_rate": 2.0}
    assert read(path).rows == (ended,)


def test_the_time_cuts_off_what_runs_and_begins_nothing_more() -> None:
    begun = time.monotonic()
    cut, late = run([of(slow, "mlp"), of(fine, "small_cnn")], record(), CPU, minutes=0.3 / 60)
    assert time.monotonic() - begun < 60
    assert (cut.state, cut.figures, cut.reason) == (
        "unfinished",
        {"recorded_rate": 1000.0},
        "cut off: the time is over",
    )
    assert (late.state, late.reason) == ("skipped", "not begun: the time is over")


def test_a_later_call_adds_and_replaces_rows(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    run([of(fine, "mlp"), of(broken, "small_cnn")], record(path), CPU)
    run([of(fine, "small_cnn"), of(fine, "speednet")], record(path, LATER), CPU)
    results = read(path)
    assert [(row.name, row.state, row.call) for row in results.rows] == [
        ("mlp", "measured", "2026-01-01T00:00:00.000+00:00"),
        ("small_cnn", "measured", LATER),
        ("speednet", "measured", LATER),
    ]
    assert len(results.calls) == 2


@pytest.mark.parametrize("needs", ["needs CUDA", "not begun"])
def test_what_was_not_measured_replaces_nothing(tmp_path: Path, needs: str) -> None:
    path = tmp_path / "gpu.json"
    run([of(fine)], record(path), CPU)
    run([of(fine, needs=needs)], record(path, LATER), CPU)
    (row,) = read(path).rows
    assert row.state == "measured"


def test_rows_of_two_gpus_stand_in_two_tables(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    run([of(fine)], record(path, gpu="GPU one"), CPU)
    run([of(fine)], record(path, LATER, gpu="GPU two"), CPU)
    text = tables(read(path))
    assert text.count("| mlp | 1,234 |") == 2
    first, second = text.split("## GPU two")
    assert "## GPU one" in first
    assert LATER[:10] not in first
    assert LATER[:10] in second


def test_a_figure_that_is_not_finite_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "gpu.json"
    run([of(lambda _: {"recorded_rate": math.inf, "share_of_peak": math.nan})], record(path), CPU)
    assert read(path).rows[0].figures == {"recorded_rate": "inf", "share_of_peak": "nan"}
    assert "| inf |" in tables(read(path))


@pytest.mark.parametrize(("state", "told"), [("failed", "**failed**; why"), ("measured", "why")])
def test_the_table_tells_states_and_reasons(state: State, told: str) -> None:
    kept = Record(None, record().call)
    kept.put(Row(section="limits", name="mlp", state=state, call=kept.call.started, gpu="no GPU", reason="why"))
    assert f"| mlp | {told} |" in tables(kept.results)


def test_a_check_that_does_not_hold_is_bad_and_stands_out() -> None:
    kept = record()
    row = measure(Measurement("correctness", "bits", lambda _: {"value": 3, "bound": 0, "ok": False}), kept)
    assert row.is_bad
    assert "| bits | 3 | 0 | **no** |" in tables(kept.results)
