from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import plugins
from harness.contracts import Augmentation
from harness.errors import InputError, PluginError
from harness.plugins import Catalog

HEADER = "from typing import Annotated\nfrom pydantic import Field\nfrom harness.contracts import Augmentation\n"
PLAIN = HEADER + "class Blur(Augmentation):\n    strength: Annotated[float, Field(ge=0)] = 1.5\n"
COMPLETE = PLAIN + "    def change(self, batch, random):\n        return batch\n"


def test_a_file_in_a_folder_of_ones_own_becomes_a_component(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "blur.py", COMPLETE)
    assert "blur" in catalog.names("augmentation")
    blur = catalog.realize("augmentation", "blur", {"strength": 2.0})
    assert isinstance(blur, Augmentation)
    assert blur.model_dump() == {"strength": 2.0}


def test_names_with_several_words_are_written_with_underscores(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "color_wash.py", COMPLETE.replace("Blur", "ColorWash"))
    assert catalog.declare("augmentation", "color_wash").__name__ == "ColorWash"


def test_files_that_begin_with_an_underscore_are_no_components(tmp_path: Path) -> None:
    assert catalog_of(tmp_path, "_parts.py", "SIZE = 3\n").names("augmentation") == Catalog().names("augmentation")


def test_components_of_a_folder_share_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "_parts.py").write_text("SIZE = 3\n")
    (tmp_path / "sharp.py").write_text("from ._parts import SIZE\n" + COMPLETE.replace("Blur", "Sharp"))
    catalog = catalog_of(
        tmp_path, "blur.py", "from .sharp import SIZE\n" + COMPLETE + "    def size(self):\n        return SIZE\n"
    )
    assert catalog.declare("augmentation", "blur")().strength == 1.5
    assert catalog.realize("augmentation", "blur", {}).size() == 3


def test_ones_own_component_goes_before_a_built_in_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "mlp.py").write_text(
        "from harness.contracts import NetworkModel\nclass Mlp(NetworkModel):\n    depth: int = 7\n"
    )
    assert list(Catalog([tmp_path]).declare("model", "mlp").model_fields) == ["depth"]
    assert "hidden" in Catalog().declare("model", "mlp").model_fields


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match='there is no model "smal_vgg"; did you mean "small_vgg"'):
        Catalog().find("model", "smal_vgg")


def test_a_name_is_looked_for_among_its_own_kind_only() -> None:
    with pytest.raises(InputError, match='there is no augmentation "mlp"'):
        Catalog().declare("augmentation", "mlp")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        Catalog([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("class Other(Augmentation):\n    pass\n", r"blur.py:1: no class named after the file \(a class Blur\)"),
        ("class Blur:\n    pass\n", r"blur.py:1: class Blur must derive from one of .*Augmentation"),
        ("class Blur(Augmentation)\n    pass\n", r"blur.py:1: "),
    ],
)
def test_a_file_that_is_no_component_is_told_by_file_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        catalog_of(tmp_path, "blur.py", text)


def test_declaring_runs_neither_heavy_imports_nor_other_code(tmp_path: Path) -> None:
    text = "import torch\nprint('running')\nfrom no_such_module import thing\n" + PLAIN
    declared = catalog_of(tmp_path, "blur.py", text).declare("augmentation", "blur")
    assert declared.model_json_schema()["properties"]["strength"]["default"] == 1.5


def test_module_constants_may_be_used_in_options(tmp_path: Path) -> None:
    text = HEADER + "MOST = 9\nclass Blur(Augmentation):\n    strength: Annotated[int, Field(le=MOST)] = MOST\n"
    declared = catalog_of(tmp_path, "blur.py", text).declare("augmentation", "blur")
    assert declared.model_json_schema()["properties"]["strength"]["maximum"] == 9


def test_an_option_made_by_a_heavy_import_is_declared_by_importing_the_file(tmp_path: Path) -> None:
    text = (
        HEADER
        + "from fractions import Fraction\nclass Blur(Augmentation):\n    strength: float = float(Fraction(1, 4))\n"
    )
    assert (
        catalog_of(tmp_path, "blur.py", text).declare("augmentation", "blur").model_fields["strength"].default == 0.25
    )


def test_an_error_while_importing_names_file_and_line(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "blur.py", COMPLETE + "from no_such_module import thing\n")
    assert catalog.declare("augmentation", "blur")
    with pytest.raises(PluginError, match=r"blur.py:8: ModuleNotFoundError"):
        catalog.realize("augmentation", "blur", {})


def test_a_changed_file_has_another_source_digest(tmp_path: Path) -> None:
    before = catalog_of(tmp_path, "blur.py", COMPLETE).find("augmentation", "blur").source_digest
    after = catalog_of(tmp_path, "blur.py", COMPLETE + "# changed\n").find("augmentation", "blur").source_digest
    assert before != after


LAYERS = Path(__file__).parents[1] / "baselines" / "_layers.py"


@pytest.mark.parametrize(
    "line",
    [
        "from ._parts import SIZE",
        "from . import _parts",
        "from ._further import SIZE",
        "from .sub.parts import SIZE",
        "from .sub import parts",
    ],
)
def test_a_changed_file_that_a_component_imports_changes_its_digest(tmp_path: Path, line: str) -> None:
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "_parts.py", tmp_path / "sub" / "parts.py"):
        path.write_text("SIZE = 3\n")
    (tmp_path / "_further.py").write_text("from ._parts import SIZE\n")
    found = catalog_of(tmp_path, "blur.py", f"{line}\n{COMPLETE}").find("augmentation", "blur")
    before = found.source_digest
    for path in (tmp_path / "_parts.py", tmp_path / "sub" / "parts.py"):
        path.write_text("SIZE = 4444\n")
    assert found.source_digest != before


def test_an_import_within_a_method_counts_and_one_for_type_checkers_does_not(tmp_path: Path) -> None:
    digests = {}
    late, typed = "        from ._late import SIZE\n", "if TYPE_CHECKING:\n    from ._typed import SIZE\n"
    text = f"from typing import TYPE_CHECKING\n{typed}" + COMPLETE.replace("        return", f"{late}        return")
    for changed in ("", "_late.py", "_typed.py"):
        for name in ("_late.py", "_typed.py"):
            (tmp_path / name).write_text("SIZE = 4444\n" if name == changed else "SIZE = 3\n")
        digests[changed] = catalog_of(tmp_path, "blur.py", text).find("augmentation", "blur").source_digest
    assert digests["_typed.py"] == digests[""] != digests["_late.py"]


def test_files_that_a_component_does_not_import_leave_its_digest(tmp_path: Path) -> None:
    found = catalog_of(tmp_path, "blur.py", COMPLETE).find("augmentation", "blur")
    before = found.source_digest
    (tmp_path / "_parts.py").write_text("SIZE = 3\n")
    (tmp_path / "sharp.py").write_text(COMPLETE.replace("Blur", "Sharp"))
    assert found.source_digest == before


def test_a_digest_covers_the_modules_of_the_harness_but_not_its_types_and_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "harness"
    monkeypatch.setitem(plugins._ROOTS, "harness", package)
    digests = {}
    for changed in ("", "train/linear", "contracts/cell", "words", "errors"):
        for name in ("train/linear", "contracts/cell", "words", "errors"):
            path = package / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("SIZE = 4444\n" if name == changed else "SIZE = 3\n")
        lines = "import harness.train.linear\nfrom harness import contracts, errors, words\n"
        digests[changed] = catalog_of(tmp_path, "blur.py", lines + COMPLETE).find("augmentation", "blur").source_digest
    assert digests["contracts/cell"] == digests["words"] == digests["errors"] == digests[""]
    assert digests["train/linear"] != digests[""]


def test_a_digest_is_the_same_wherever_the_folder_lies(tmp_path: Path) -> None:
    copies = [shutil.copytree(LAYERS.parent, tmp_path / name) for name in ("here", "there")]
    digests = {Catalog([copy]).find("model", name).source_digest for copy in copies for name in ("small_cnn",)}
    assert digests == {Catalog().find("model", "small_cnn").source_digest}


def test_a_wheel_that_holds_baselines_within_harness_has_the_same_components(tmp_path: Path) -> None:
    shutil.copytree(Path(plugins.__file__).parent, tmp_path / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(LAYERS.parent, tmp_path / "harness" / "baselines")
    program = (
        "import inspect; from harness.plugins import Catalog; catalog = Catalog()\n"
        "print(inspect.getfile(type(catalog.realize('model', 'small_cnn', {}))))\n"
        "print(catalog.find('model', 'small_cnn').source_digest, catalog.find('model', 'hog_svm').source_digest)"
    )
    given = {**os.environ, "PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, env=given
    )
    path, *digests = answer.stdout.split()
    assert Path(path) == tmp_path / "harness" / "baselines" / "small_cnn.py"
    assert digests == [Catalog().find("model", name).source_digest for name in ("small_cnn", "hog_svm")]


def test_what_a_component_imports_must_be_python(tmp_path: Path) -> None:
    (tmp_path / "_parts.py").write_text("SIZE =\n")
    found = catalog_of(tmp_path, "blur.py", "from ._parts import SIZE\n" + COMPLETE).find("augmentation", "blur")
    with pytest.raises(PluginError, match=r"_parts.py:1: invalid syntax"):
        _ = found.source_digest


def test_two_folders_do_not_share_declarations(tmp_path: Path) -> None:
    defaults = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        catalog = catalog_of(folder, "blur.py", COMPLETE.replace("1.5", f"{number}.0"))
        defaults.append(catalog.declare("augmentation", "blur")().strength)
        defaults.append(catalog.realize("augmentation", "blur", {}).strength)
    assert defaults == [1.0, 1.0, 2.0, 2.0]


def test_the_catalog_itself_imports_nothing_slow() -> None:
    program = "import sys, harness.plugins; print(*{'torch', 'numpy', 'mlflow', 'sklearn'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not answer.stdout.split()


def catalog_of(folder: Path, name: str, text: str) -> Catalog:
    (folder / name).write_text(text)
    return Catalog([folder])
