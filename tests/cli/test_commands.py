"""Commands that need no store, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.cli.options import app

GOOD = """\
version: 1
study: small
dataset: {name: digits, validation: {size: 200}}
seeds: [0, 1]
experiments:
  mlp: {model: mlp}
  hog: {model: hog_svm, seeds: [0]}
"""
BAD = GOOD.replace("digits", "digitz").replace("hog_svm", "hog_sym")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_HOME", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def harness(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_good_file_is_counted_and_nothing_is_written() -> None:
    Path("good.yaml").write_text(GOOD)
    done = harness("validate", "good.yaml")
    assert (done.exit_code, done.stdout) == (0, "ok: 3 cells in 2 experiments\n")
    assert [path.name for path in Path().iterdir()] == ["good.yaml"]


def test_each_error_of_a_bad_file_has_a_line_on_stderr_with_its_place() -> None:
    Path("bad.yaml").write_text(BAD)
    done = harness("validate", "bad.yaml")
    first, second = done.stderr.splitlines()
    assert first == 'bad.yaml:3:17: dataset.name: there is no source "digitz"; did you mean "digits"?'
    assert second.startswith("bad.yaml:7:16: ")
    assert (done.exit_code, done.stdout) == (2, "")
    assert [path.name for path in Path().iterdir()] == ["bad.yaml"]


def test_overrides_and_a_selection_are_validated_too() -> None:
    Path("good.yaml").write_text(GOOD)
    assert harness("validate", "good.yaml", "--only", "hog").stdout == "ok: 1 cell in 1 experiment\n"
    wrong = harness("validate", "good.yaml", "--set", "recipe.epochs=0")
    assert wrong.exit_code == 2
    assert "recipe.epochs" in wrong.stderr


IDLE = GOOD.replace("{model: mlp}", "{model: mlp, recipe: {epochs: 2, batch_size: 5000, schedule: {warmup_epochs: 3}}}")
WARM = "Warning: idle.yaml:6:85: experiments.mlp.recipe.schedule.warmup_epochs: "
LARGE = "Warning: idle.yaml:6:53: experiments.mlp.recipe.batch_size: a batch of 5,000 is never full: "


def test_settings_without_effect_are_told_with_their_place() -> None:
    Path("idle.yaml").write_text(IDLE)
    checked = harness("validate", "idle.yaml")
    assert (checked.exit_code, len(checked.stderr.splitlines())) == (0, 1)
    assert checked.stderr.startswith(WARM)
    planned = harness("plan", "idle.yaml", "--only", "mlp", "--json")
    large, warm = json.loads(planned.stdout)["warnings"]
    assert f"Warning: {warm}".startswith(WARM)
    assert f"Warning: {large}" == f"{LARGE}there are 1,237 training images, so each epoch is one step"
    assert all(f"Warning: {each}\n" in planned.stderr for each in (large, warm))


def test_a_run_ends_with_them() -> None:
    Path("idle.yaml").write_text(IDLE.replace("[0, 1]", "[0]").replace("  hog: {model: hog_svm, seeds: [0]}\n", ""))
    done = harness("run", "idle.yaml", "--executor", "inline", "--device", "cpu", "--home", "a home")
    assert done.exit_code == 0, done.stderr
    *_, large, warm = done.stderr.splitlines()
    assert large.startswith(LARGE) and warm.startswith(WARM)
    assert "harness ui --home 'a home'\n" in done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "mlp, recipe: {freeze: [{parameters: x.*}]}",
            'recipe.freeze.0.parameters: "x.*" matches no trainable parameter',
        ),
        ("resnet18, recipe: {batch_size: 1}", "resnet18: batch normalization cannot learn from one image at a time"),
        ("{name: mlp, hidden: 1000000000000}", "mlp: its weights need "),
    ],
)
def test_a_plan_tells_of_a_model_that_cannot_be_trained(settings: str, said: str) -> None:
    Path("wrong.yaml").write_text(GOOD.replace("{model: mlp}", f"{{model: {settings}}}"))
    planned = harness("plan", "wrong.yaml", "--json")
    assert planned.exit_code == 0
    first, second, hog = json.loads(planned.stdout)["warnings"]
    assert first.startswith(f"mlp s0: {said}")
    assert hog.startswith("hog s0: hog_svm: images of 8 x 8 pixels have no room for a block")
    assert second.startswith("mlp s1: ")


def test_running_or_planning_a_bad_file_writes_nothing() -> None:
    Path("bad.yaml").write_text(BAD)
    for command in ("run", "plan"):
        assert harness(command, "bad.yaml").exit_code == 2
    assert [path.name for path in Path().iterdir()] == ["bad.yaml"]


def test_a_traceback_is_shown_where_asked_for_and_only_there() -> None:
    Path("bad.yaml").write_text(BAD)
    assert "Traceback" not in harness("validate", "bad.yaml").stderr
    assert "Traceback" in harness("validate", "bad.yaml", "-v").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validte", "x.yaml"], "Did you mean 'validate'"),
        (["run", "x.yaml", "--worker", "2"], "--workers"),
        (["run", "x.yaml", "--workers", "0"], "--workers"),
        (["run", "x.yaml", "--executor", "cloud"], "--executor"),
        (["run", "x.yaml", "--device", "gpu"], "cuda:N"),
        (["show", "mlp", "--shape", "32x32"], "HEIGHTxWIDTHxCHANNELS"),
        (["run"], "M.yaml"),
        (["data"], "--path"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_says_what_is_right(arguments: list[str], said: str) -> None:
    done = harness(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_all_models_are_listed_with_what_they_are() -> None:
    listed = {line["name"]: line for line in json.loads(harness("models", "--json").stdout)}
    assert listed["hog_svm"]["kind"] == "classical"
    assert listed["small_cnn"]["kind"] == "network"
    assert "norm" in listed["small_cnn"]["options"]
    assert all(line["summary"] for line in listed.values())


def test_a_users_own_models_are_listed() -> None:
    Path("mine").mkdir()
    text = 'from harness.contracts import NetworkModel\n\nclass Mine(NetworkModel):\n    """My own."""\n'
    Path("mine/mine.py").write_text(text)
    assert "mine" in [line["name"] for line in json.loads(harness("models", "--plugins", "mine", "--json").stdout)]
    assert harness("models", "--plugins", "nowhere").exit_code == 2


def test_layers_add_up_to_the_models_parameters() -> None:
    shown = json.loads(harness("show", "small_cnn", "--json").stdout)
    assert shown["parameters"] == 288_746
    assert sum(layer["parameters"] for layer in shown["layers"]) == 288_746
    assert sum(layer["flops"] for layer in shown["layers"]) == shown["flops"] > 0


def test_options_change_the_model_that_is_shown() -> None:
    shown = json.loads(harness("show", "small_cnn", "--set", "norm=none", "--json").stdout)
    assert (shown["parameters"], shown["options"]["norm"]) == (288_298, "none")


def test_wrong_options_of_a_model_are_told_with_the_nearest_name() -> None:
    unknown, invalid = (
        harness("show", "small_cnn", "--set", "nrm=none"),
        harness("show", "small_cnn", "--set", "norm=no"),
    )
    assert (unknown.exit_code, invalid.exit_code) == (2, 2)
    assert 'did you mean "norm"?' in unknown.stderr
    assert "small_cnn.norm" in invalid.stderr


def test_images_too_small_for_a_model_are_refused() -> None:
    assert harness("show", "small_cnn", "--shape", "2x2x3").exit_code == 2


def test_a_model_without_layers_says_so() -> None:
    assert json.loads(harness("show", "majority", "--json").stdout)["layers"] is None


def test_the_schema_knows_the_models() -> None:
    assert "small_cnn" in harness("schema").stdout


def test_the_doctor_creates_nothing_and_fails_where_nothing_can_be_written() -> None:
    good = harness("doctor", "--json", "--home", "home")
    verdicts = {check["name"]: check["verdict"] for check in json.loads(good.stdout)}
    assert good.exit_code == 0
    assert {"python", "torch", "torchvision", "cuda", "memory", "disk", "store"} <= verdicts.keys()
    assert not Path("home").exists()
    Path("file").write_text("")
    assert harness("doctor", "--home", "file/home").exit_code == 1


def test_status_and_report_of_an_empty_home_say_that_nothing_was_run() -> None:
    Path("good.yaml").write_text(GOOD)
    status, report = harness("status"), harness("report", "good.yaml")
    assert (status.exit_code, report.exit_code) == (0, 2)
    assert "nothing was run" in status.stderr
    assert "nothing was run" in report.stderr
    assert not Path(".harness").exists()


def test_what_is_in_a_data_set_is_shown_without_a_store() -> None:
    (found,) = json.loads(harness("data", "digits", "--json").stdout)
    assert found["train"]["images"] + found["test"]["images"] == 1797
    assert not Path(".harness/mlflow.db").exists()


def test_an_unknown_source_is_told_with_the_nearest_name() -> None:
    done = harness("data", "cifar1")
    assert done.exit_code == 2
    assert "cifar10" in done.stderr


def test_the_address_of_a_server_is_all_that_ui_has_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert harness("ui").stdout == "http://127.0.0.1:9\n"


def test_without_a_store_there_is_no_user_interface_to_show() -> None:
    done = harness("ui")
    assert done.exit_code == 2
    assert "nothing was run" in done.stderr
