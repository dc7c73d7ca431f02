from __future__ import annotations

from pathlib import Path

from torch import Generator

from harness.contracts import Augmentation, Batch


class Fuse(Augmentation):
    """Blows after as many batches as the file says, if there is one."""

    file: str = "fuse.txt"

    def change(self, batch: Batch, random: Generator) -> Batch:
        """Return the batch as it is."""
        file = Path(self.file)
        if file.exists():
            left = int(file.read_text())
            if left == 0:
                raise InterruptedError("the fuse has blown")
            file.write_text(str(left - 1))
        return batch
