"""The code of a logged model: MLflow copies this file beside the weights and runs it to predict.

MLflow also runs it once while logging, in the driver, so torch is imported when weights are loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

MISSING: Final = (
    "this model needs the harness that fitted it, installed from its source (`pip install FOLDER`; the run's tag "
    "harness.git names the commit). The package that the index calls `harness` is another project's."
)


class Served(PythonModel):  # type: ignore[misc]  # mlflow is untyped
    """A saved classifier on the CPU."""

    def load_context(self, context: Any) -> None:
        """Load the classifier that the cell saved.

        Raises:
            ModuleNotFoundError: the harness is not installed here.
        """
        import torch  # noqa: PLC0415  (see above)

        try:
            from harness.cell.saved import load_classifier  # noqa: PLC0415
            from harness.plugins import Catalog  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error}: {MISSING}") from error

        plugins = [Path(each) for each in (context.model_config or {}).get("plugins", [])]
        self.classifier, self.task = load_classifier(
            Path(context.artifacts["model"]), Catalog(plugins), torch.device("cpu")
        )

    def predict(self, context: Any, model_input: np.ndarray, params: Any = None) -> np.ndarray:
        """Return scores float32 [N, K] for images uint8 [N, H, W, C]; the largest wins.

        MLflow reads the annotations: of a bare `np.ndarray` it makes no schema of its own.
        """
        return self.classifier.predict(np.ascontiguousarray(model_input, dtype=np.uint8))


set_model(Served())
