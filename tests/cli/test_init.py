"""`harness init`: the file that it writes is one that runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from harness.architectures import weights_at_hand
from harness.data import load_splits
from harness.data.survey import sessions
from harness.matrix import load_study
from harness.plugins import Catalog, shipped
from tests.cli.homes import harness


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def write_images(folder: Path, count: int, sizes: list[tuple[int, int]]) -> None:
    """Write so many random pictures a class, of these widths and heights in turn."""
    random = np.random.default_rng(0)
    for label in ("cat", "dog", "no bird"):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            width, height = sizes[number % len(sizes)]
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")


def dataset_of(file: str = "matrix.yaml") -> dict[str, object]:
    """Validate a file by the command line and return its one data set."""
    assert harness("validate", file).exit_code == 0
    datasets = [placed.cell.dataset for placed in load_study(Path(file), Catalog()).cells]
    assert all(each == datasets[0] for each in datasets)
    return datasets[0].model_dump(mode="json", exclude={"validation", "limit"})


def test_without_a_folder_it_is_the_quickstarts() -> None:
    assert harness("init").exit_code == 0
    assert Path("matrix.yaml").read_text() == (shipped("experiments") / "quickstart.yaml").read_text()
    assert harness("validate", "matrix.yaml").stdout.startswith("ok: 18 cells")


def test_nothing_is_overwritten() -> None:
    Path("matrix.yaml").write_text("mine")
    done = harness("init")
    assert done.exit_code == 2
    assert done.stderr == "matrix.yaml: is there already; choose another file with -o\n"
    assert Path("matrix.yaml").read_text() == "mine"
    assert harness("init", "-o", "other/new.yaml").exit_code == 0
    assert Path("other/new.yaml").exists()


def test_what_to_do_next_is_a_line_that_a_shell_takes() -> None:
    done = harness("init", "-o", "my pictures.yaml")
    assert "harness run 'my pictures.yaml' --smoke " in done.stderr


def test_a_folder_with_both_splits_is_named_by_its_path() -> None:
    for split in ("train", "test"):
        write_images(Path("my pictures") / split, 8, [(32, 32)])
    done = harness("init", "my pictures")
    assert "24 images of 3 classes in my pictures, 32 x 32 pixels" in done.stderr
    found = dataset_of()
    assert (found["name"], found.get("resize"), found.get("test_fraction")) == ("image_folder", None, None)
    assert str(found["path"]).endswith("my pictures")


def test_one_tree_is_divided_and_images_of_several_sizes_are_resized() -> None:
    write_images(Path("pictures"), 12, [(300, 200), (90, 120)])
    assert harness("init", "pictures").exit_code == 0
    found = dataset_of()
    assert (found["test_fraction"], found["resize"]) == (0.2, 64)
    assert "they have 120 x 90 to 200 x 300 pixels" in Path("matrix.yaml").read_text()


@pytest.mark.parametrize(("names", "test"), [(("training", "testing"), "testing"), (("train", "val"), "val")])
def test_folders_of_splits_by_other_names_are_named_one_by_one(names: tuple[str, str], test: str) -> None:
    for name in names:
        write_images(Path("pictures") / name, 8, [(16, 16)])
    assert harness("init", "pictures").exit_code == 0
    found = dataset_of()
    assert str(found["train"]).endswith(names[0]) and str(found["test"]).endswith(test)
    assert ("val/ is the test set" in Path("matrix.yaml").read_text()) == (test == "val")


def test_without_test_images_nothing_opens_a_test_set() -> None:
    write_images(Path("pictures/train"), 8, [(16, 16)])
    assert "no test set" in harness("init", "pictures").stderr
    cells = load_study(Path("matrix.yaml"), Catalog()).cells
    assert {placed.cell.test for placed in cells} == {"never"}


def test_an_npz_file_is_looked_at_without_reading_its_images() -> None:
    images, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 4
    np.savez("digits.npz", x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    assert "40 images of 4 classes in digits.npz, 28 x 28 pixels" in harness("init", "digits.npz").stderr
    assert str(dataset_of()["path"]).endswith("digits.npz")


@pytest.mark.parametrize("asked", ["set", "set/train.parquet", "set/other.parquet"])
def test_parquet_files_are_looked_at(asked: str, tmp_path: Path) -> None:
    write_images(Path("pictures"), 4, [(20, 20)])
    files = sorted(Path("pictures").rglob("*.png"))
    images, labels = [{"bytes": file.read_bytes()} for file in files], [file.parent.name for file in files]
    table = pa.table({"image": images, "label": labels})
    Path("set").mkdir()
    for name in ("train", "test") if "other" not in asked else ("other",):
        pq.write_table(table, f"set/{name}.parquet")
    assert "12 images of 3 classes" in harness("init", asked).stderr
    found = dataset_of()
    assert found["name"] == "parquet"
    assert ("train" if "other" in asked else "path") in {name for name, value in found.items() if value}


def test_what_is_no_data_set_is_refused_and_nothing_is_written() -> None:
    Path("empty").mkdir()
    np.savez("wrong.npz", images=np.zeros(3))
    for asked, said in (("nowhere", "nothing is there"), ("empty", "no folder in it"), ("wrong.npz", "x_train")):
        done = harness("init", asked)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert not Path("matrix.yaml").exists()


def test_a_folders_name_stays_in_its_comment() -> None:
    name = 'odd: {name} # "quoted"'
    for split in ("train", "test"):
        write_images(Path(name) / split, 2, [(16, 16)])
    assert harness("init", name).exit_code == 0
    assert Path(str(dataset_of()["path"])).name == Path(name).name


@pytest.mark.parametrize("name", ["two\nlines", "a\ttab"])
def test_a_name_that_no_matrix_file_takes_is_refused(name: str) -> None:
    write_images(Path(name, "train"), 12, [(9, 9)])
    done = harness("init", name)
    assert done.exit_code == 2
    assert f"{name!a}: a tab or an end of line is in no path of a matrix file" in done.stderr


@pytest.mark.parametrize("name", ["2024", "1e5", "true", "0x1f", "...", "_", "x" * 200, "日本"])
def test_a_folder_of_any_name_gives_a_study_with_a_name(name: str) -> None:
    write_images(Path(name, "train"), 12, [(9, 9)])
    write_images(Path(name, "test"), 2, [(9, 9)])
    assert harness("init", name).exit_code == 0
    dataset_of()


def test_sessions_are_told_by_names_and_held_out_whole() -> None:
    for label in ("cat", "dog"):
        Path("pictures", label).mkdir(parents=True)
        for number in range(24):
            pixels = np.full((9, 9, 3), number, np.uint8)
            Image.fromarray(pixels).save(Path("pictures", label, f"patient{number // 4}_scan{number:03}.png"))
    assert harness("init", "pictures", "-o", "new/study.yaml").exit_code == 0
    assert "groups: ../new/study.groups.csv" in Path("new/study.yaml").read_text()
    assert Path("new/study.groups.csv").read_text().startswith("cat/patient0_scan000.png,patient0\n")
    done = harness("data", "new/study.yaml", "--json")
    assert done.exit_code == 0, done.stderr
    (placed, *_) = load_study(Path("new/study.yaml"), Catalog()).cells
    splits = load_splits(placed.cell.dataset, Catalog(), Path(".harness/cache"))
    assert splits.train.groups is not None and splits.validation.groups is not None
    assert not set(splits.train.groups) & set(splits.validation.groups)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["a/s1-01.png", "a/s1-02.png", "a/s2-01.png", "b/s1-03.png", "b/s2-02.png", "b/s2-03.png"], ["s1", "s2"]),
        (["a/mon/1.png", "a/mon/2.png", "a/tue/3.png", "b/mon/1.png", "b/tue/1.png", "b/tue/4.png"], ["mon", "tue"]),
        (["a/img_01.png", "a/img_02.png", "b/img_03.png", "b/img_04.png"], []),  # numbered, no more
        (["a/s1-01.png", "a/s1-02.png", "b/s2-01.png", "b/s2-02.png"], []),  # a session a class: none can be held out
        (["a/s1-01.png", "a/s2-01.png", "b/s3-01.png", "b/s4-01.png"], []),  # an image a session
    ],
)
def test_names_tell_sessions_or_do_not(names: list[str], groups: list[str]) -> None:
    assert sorted(set(sessions(names).values())) == groups


def test_a_column_that_is_called_so_is_the_groups() -> None:
    write_images(Path("pictures"), 4, [(20, 20)])
    files = sorted(Path("pictures").rglob("*.png"))
    table = pa.table(
        {
            "image": [{"bytes": file.read_bytes()} for file in files],
            "label": [file.parent.name for file in files],
            "patient_id": [f"p{number % 4}" for number in range(len(files))],
        }
    )
    Path("set").mkdir()
    pq.write_table(table, "set/train.parquet")
    assert harness("init", "set").exit_code == 0
    assert 'groups: "patient_id"' in Path("matrix.yaml").read_text()


def test_how_much_the_test_images_tell_stands_beside_the_seeds() -> None:
    for split, count in (("train", 12), ("test", 100)):
        write_images(Path("pictures") / split, count, [(8, 8)])
    assert harness("init", "pictures").exit_code == 0
    # McNemar's test of two models that differ on a fifth of 300 images: 1.96 * sqrt(0.2 / 300) = 5.06 points
    assert "300 test images tell models apart that differ by about 5.1 points" in Path("matrix.yaml").read_text()


def test_weights_at_hand_give_a_probe_and_a_fine_tuned_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.architectures._in_package", lambda: iter(()))
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").absolute()))
    write_images(Path("pictures"), 12, [(9, 9)])
    assert harness("init", "pictures", "-o", "without.yaml").exit_code == 0
    assert "No weights of a trained network are on this machine" in Path("without.yaml").read_text()

    for file, size in (
        ("torch/hub/checkpoints/resnet18-f37072fd.pth", 3),
        ("torch/hub/checkpoints/something-else.pth", 4),
        ("huggingface/hub/models--timm--resnet10t.c3_in1k/snapshots/0/model.safetensors", 2),
    ):
        Path("cache", file).parent.mkdir(parents=True, exist_ok=True)
        Path("cache", file).write_bytes(bytes(size))
    assert [(each.library, each.arch, each.bytes) for each in weights_at_hand()] == [
        ("timm", "resnet10t.c3_in1k", 2),
        ("torchvision", "resnet18", 3),
    ]
    assert harness("init", "pictures", "-o", "with.yaml").exit_code == 0
    models = {
        placed.places[0].experiment: placed.cell.model for placed in load_study(Path("with.yaml"), Catalog()).cells
    }
    assert models["fine-tuned"].options["arch"] == models["probe"].options["backbone"]["arch"] == "resnet18"
    assert models["fine-tuned"].options["weights"] == "pretrained"


@pytest.fixture
def short_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed, and no trained network: they take their time, also for a few batches."""
    monkeypatch.setattr("harness.cli.init.weights_at_hand", lambda: ())
    monkeypatch.setattr("harness.cli.init.FEW", 0)


@pytest.mark.usefixtures("short_file")
def test_the_file_runs() -> None:
    write_images(Path("pictures"), 20, [(40, 30), (24, 24)])
    assert harness("init", "pictures").exit_code == 0
    done = harness("run", "matrix.yaml", "--smoke", "--executor", "inline", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.stderr
    assert {cell["state"] for cell in json.loads(done.stdout)["cells"]} == {"finished"}


@pytest.mark.usefixtures("short_file")
def test_rank_writes_the_file_and_runs_it() -> None:
    write_images(Path("pictures"), 20, [(9, 9)])
    done = harness("rank", "pictures", "-o", "ranked.yaml", "--smoke", "--json")
    assert done.exit_code == 0, done.stderr
    cells = json.loads(done.stdout)["cells"]
    assert {cell["name"].split()[0] for cell in cells} >= {"majority", "hog-svm", "small-cnn"}
    assert {cell["state"] for cell in cells} == {"finished"}
    again = harness("rank", "pictures", "-o", "ranked.yaml")
    assert (again.exit_code, "ranked.yaml: is there already" in again.stderr) == (2, True)
