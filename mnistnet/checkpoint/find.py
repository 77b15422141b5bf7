"""From a word to a checkpoint's file: a path, a run's folder, the newest run, or a shipped network."""

from contextlib import suppress
from pathlib import Path

from mnistnet import pretrained
from mnistnet.errors import CheckpointError

BEST = "best.npz"  # in a run's folder, the network of the best epoch
LAST_RUN = "last-run"


def find(word: str) -> Path:
    """Return the file that `word` names. A path of the same name as a shipped network is `./NAME`.

    Raises CheckpointError where `last-run` is asked for and there is no run.
    """
    if word in pretrained.NAMES:
        return pretrained.path(word)
    if word == LAST_RUN:
        return newest_run()
    path = expanded(Path(word))
    return path / BEST if path.is_dir() and (path / BEST).exists() else path


def newest_run(base: Path = Path("runs")) -> Path:
    """Return the `best.npz` that was written last below `base`. Raises CheckpointError where there is none."""
    found = []
    for path in base.glob(f"*/{BEST}"):
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    if not found:
        raise CheckpointError(
            "no runs/*/best.npz here: train a network first with `mnistnet train`, or name a checkpoint"
        )
    return max(found)[1]


def expanded(path: Path) -> Path:
    """Return a path with ~ replaced by the home folder; "~name" without such a user is a file's name."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
