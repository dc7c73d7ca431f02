from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
