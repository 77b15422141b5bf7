"""Tries a wheel as a stranger would: installed into an empty environment, away from the checkout.

    python .ci/package_test.py dist/mnistnet-VERSION-py3-none-any.whl

Needs what `pip install` needs. Stops at the first command that fails or does not say what it should.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(wheel: Path) -> None:
    """Install a wheel, then look at its version, its configs, a training, a prediction and a walkthrough."""
    with tempfile.TemporaryDirectory(prefix="mnistnet-package-") as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        pip = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel.resolve()]
        # Of this environment nothing must help: neither the checkout nor data that lies about.
        names = [name for name in os.environ if not name.startswith(("MNISTNET_", "PYTHON", "VIRTUAL_ENV", "XDG_"))]
        environment = {name: os.environ[name] for name in names}
        subprocess.run(pip, check=True, cwd=folder, env=environment)
        environment |= {"HOME": name, "XDG_CACHE_HOME": str(folder / "cache")}

        def say(*words: str | Path, expect: str) -> None:
            command = [str(programs / "mnistnet"), *map(str, words)]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            shown = " ".join(["mnistnet", *map(str, words)])
            if done.returncode or expect not in done.stdout:
                sys.exit(f"{shown}: exit code {done.returncode}, expected {expect!r}\n{done.stdout}{done.stderr}")
            print(f"ok  {shown}")

        data = ["--data-dir", ROOT / "data"]
        say("--version", expect="mnistnet ")
        say("config", "--list", expect="3blue1brown  ")
        say("train", "--config", "3blue1brown", "--set", "epochs=1", *data, expect="test accuracy ")
        say("eval", "last-run", *data, expect="of 10,000")
        say("predict", ROOT / "docs" / "two.png", expect="two.png: 2 (")
        say("explain", "--index", "0", "--examples", "1000", *data, expect="6. ")
        say("download", "--list", expect="kmnist: ")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
