"""Trains the networks that come with the package, and puts them into mnistnet/pretrained/.

    python -m benchmarks.pretrained

On the machine and with the versions that the files' headers name, the same bytes come out.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mnistnet import pretrained

ROOT = Path(__file__).resolve().parent.parent
RECIPES = {"best": "best", "3blue1brown": "3blue1brown"}


def main() -> None:
    """Make all of them anew."""
    for name, config in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            words = ["--config", str(ROOT / "configs" / f"{config}.yaml"), "--out", folder + "/run"]
            subprocess.run([sys.executable, "-m", "mnistnet", "train", *words], cwd=ROOT, check=True)
            shutil.copyfile(f"{folder}/run/best.npz", pretrained.path(name))


if __name__ == "__main__":
    main()
