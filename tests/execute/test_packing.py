"""How many cells run side by side, with GPUs in numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contracts import Cell, Choice, Dataset, Recipe
from harness.execute.packing import ENOUGH_SECONDS, MARGIN_BYTES, Concurrency, Device, Packing, kind_of, open_packing
from harness.execute.plan import RunSettings
from tests.execute.fake_gpu import GIB, LARGE, SMALL, FakeCell, FakeGpus, cells, saturating_at


@pytest.mark.parametrize("most", [2, 3, 5])
def test_a_gpu_that_is_full_with_k_cells_gets_k_after_one_more_was_tried(most: int) -> None:
    gpu = FakeGpus(saturating_at(most))
    gpu.run(cells(60))
    assert gpu.most_beside() == most + 1
    assert gpu.most_beside(after=300) == most


def test_without_gain_one_cell_runs_at_a_time_after_two_were_tried() -> None:
    gpu = FakeGpus(saturating_at(1))
    gpu.run(cells(10))
    assert gpu.most_beside() == 2
    assert gpu.most_beside(after=20) == 1


def test_a_gain_below_a_tenth_is_none() -> None:
    slight, enough = (FakeGpus(saturating_at(gain)) for gain in (1.08, 1.12))
    slight.run(cells(10))
    enough.run(cells(20))
    assert slight.most_beside(after=20) == 1
    assert enough.most_beside() == 3
    assert enough.most_beside(after=80) == 2


def test_packing_is_faster_than_one_after_the_other() -> None:
    packed, alone = FakeGpus(saturating_at(3)), FakeGpus(saturating_at(3), most=1)
    packed.run(cells(30))
    alone.run(cells(30))
    assert alone.now == pytest.approx(300)
    assert packed.now < 300 / 2.4


def test_never_more_than_the_most() -> None:
    gpu = FakeGpus(saturating_at(100), most=4)
    gpu.run(cells(40))
    assert gpu.most_beside() == 4


def test_the_same_cells_on_the_same_gpus_are_packed_the_same_way() -> None:
    first, second = (FakeGpus(saturating_at(2.5), names=("cuda:0", "cuda:1")) for _ in range(2))
    for gpus in (first, second):
        gpus.run([*cells(9), *cells(9, LARGE, work=3.0)])
    assert first.story == second.story


def test_memory_bounds_how_many_run_however_much_is_gained() -> None:
    gpu = FakeGpus(saturating_at(100), capacity=3 * 10 * GIB + MARGIN_BYTES - 1)
    gpu.run(cells(20, size_bytes=10 * GIB))
    assert gpu.most_beside() == 2


def test_an_unknown_cell_is_taken_for_as_large_as_the_largest() -> None:
    gpu = FakeGpus(saturating_at(100), capacity=25 * GIB)
    packing = gpu.run(cells(4, LARGE, size_bytes=15 * GIB))
    gpu.run(cells(1, LARGE, size_bytes=15 * GIB), packing)
    assert packing.place("large", LARGE) == "cuda:0"
    gpu.running["large"] = ("cuda:0", FakeCell("large", LARGE, size_bytes=15 * GIB))
    packing.hear("large", 1.0)
    assert packing.place("unknown", SMALL) is None


def test_what_did_not_pay_for_one_kind_of_cell_is_tried_again_for_another() -> None:
    gpu = FakeGpus(lambda beside: 1.0 if any(each.kind == LARGE for each in beside) else len(beside))
    gpu.run([*cells(8, LARGE), *cells(30)])
    assert gpu.most_beside() >= 4


def test_where_kinds_have_changed_the_level_goes_on_from_where_it_is() -> None:
    gpu = FakeGpus(saturating_at(4))
    gpu.run([FakeCell(f"c{number}", (("model.name", str(number)),), epochs=30) for number in range(20)])
    assert gpu.most_beside() == 5


def test_a_mix_is_judged_by_how_much_those_who_ran_before_are_slowed() -> None:
    """Neither cell's pace is ever compared with the other's, which is a hundred times as fast."""
    both: list[FakeGpus] = []
    for most in (1, 2):
        gpu = FakeGpus(saturating_at(most))
        gpu.run([FakeCell("slow", LARGE, epochs=100, work=3.0), *cells(2000, epochs=10, work=0.031)])
        both.append(gpu)
    full, roomy = ([sum(numbers) for numbers in gpu.story[600:650]] for gpu in both)
    assert max(full) == 1
    assert min(roomy) >= 2


def test_short_cells_are_judged_by_others_of_their_kind() -> None:
    gpu = FakeGpus(saturating_at(3))
    gpu.run(cells(100, epochs=10, work=0.1))  # one cell is shorter than what a pace needs
    assert gpu.most_beside() == 4
    assert gpu.most_beside(after=800) == 3


def test_each_gpu_gets_a_cell_before_one_gets_two_and_all_are_packed() -> None:
    gpus = FakeGpus(saturating_at(2), names=("cuda:0", "cuda:1"))
    gpus.run(cells(20))
    assert gpus.story[0] == (1, 1)
    assert (2, 2) in gpus.story


def test_of_equally_busy_gpus_the_one_with_the_most_free_memory_is_taken() -> None:
    free = {"cuda:0": 10 * GIB, "cuda:1": 20 * GIB}
    packing = Packing([Device(name, Concurrency(4)) for name in free], True, free.get)
    assert [packing.place(key, SMALL) for key in ("a", "b", "c")] == ["cuda:1", "cuda:0", None]


def test_without_a_count_of_free_memory_one_cell_runs_at_a_time() -> None:
    packing = Packing([Device("cuda:0", Concurrency(8))], True, lambda _: None)
    assert packing.place("a", SMALL) == "cuda:0"
    for _ in range(10):
        packing.hear("a", ENOUGH_SECONDS)
    assert packing.place("b", SMALL) is None


def test_an_epoch_during_which_a_cell_came_or_left_tells_nothing() -> None:
    packing = Packing([Device("cuda:0", Concurrency(8))], True, lambda _: 80 * GIB)
    concurrency = packing.devices[0].concurrency
    packing.place("a", SMALL)
    for _ in range(3):
        packing.hear("a", ENOUGH_SECONDS)
    assert concurrency.level == 2
    packing.place("b", SMALL)
    packing.hear("a", 1.9 * ENOUGH_SECONDS)  # b is only starting
    packing.hear("b", ENOUGH_SECONDS)
    packing.hear("a", 1.9 * ENOUGH_SECONDS)  # began before b was at work
    assert concurrency.level == 2
    packing.hear("a", 1.1 * ENOUGH_SECONDS)
    assert concurrency.level == 3


def test_memory_that_ran_out_beside_others_lowers_the_level_for_good() -> None:
    gpu = FakeGpus(saturating_at(100))
    packing = gpu.run(cells(12))
    assert gpu.most_beside() > 3
    for key in ("x", "y", "z"):
        assert packing.place(key, SMALL) == "cuda:0"
        packing.hear(key, 1.0)
    assert packing.ran_out("z")
    packing.leave("z")
    gpu.story.clear()
    packing.leave("x")
    packing.leave("y")
    gpu.run([FakeCell(f"later-{number}") for number in range(20)], packing)
    assert gpu.most_beside() == 2


def test_memory_that_ran_out_for_a_cell_by_itself_is_its_own_need() -> None:
    packing = Packing([Device("cuda:0", Concurrency(8)), Device("cuda:1", Concurrency(8))], False, lambda _: None)
    assert (packing.place("a", SMALL), packing.place("b", SMALL)) == ("cuda:0", "cuda:1")
    assert not packing.ran_out("a")


def test_a_cell_that_is_to_run_alone_waits_for_an_empty_gpu_and_keeps_it() -> None:
    packing = Packing([Device("cuda:0", Concurrency(8, level=8))], False, lambda _: None)
    packing.place("a", SMALL)
    assert packing.place("b", SMALL, alone=True) is None
    packing.leave("a")
    assert packing.place("b", SMALL, alone=True) == "cuda:0"
    assert packing.place("c", SMALL) is None


def test_given_workers_are_spread_over_the_gpus_at_once() -> None:
    packing = Packing([Device(f"cuda:{index}", Concurrency(9, level=9)) for index in range(2)], False, lambda _: None)
    assert [packing.place(str(number), SMALL) for number in range(5)] == [f"cuda:{number % 2}" for number in range(5)]


def test_the_processor_has_room_for_all_that_the_executor_runs() -> None:
    packing = open_packing(RunSettings(home=Path("home"), device="cpu", workers=2))
    assert {packing.place(str(number), SMALL) for number in range(50)} == {"cpu"}
    assert not packing.ran_out("3")


def test_cells_are_of_a_kind_if_they_take_the_same_time_and_memory() -> None:
    def cell(seed: int = 0, **recipe: object) -> Cell:
        settings = Recipe.model_validate({"batch_size": 64, **recipe})
        return Cell(dataset=Dataset(name="digits"), model=Choice(name="mlp"), recipe=settings, seed=seed)

    assert kind_of(cell()) == kind_of(cell(seed=1, epochs=5, label_smoothing=0.1))
    assert kind_of(cell()) != kind_of(cell(batch_size=128))
    assert kind_of(cell()) != kind_of(cell(), parts=2)
    assert hash(kind_of(cell(augment=[{"name": "flip"}])))
