"""`python -m mnistnet` and the `mnistnet` command."""

import os
import sys


def main() -> None:
    """Run the command line. Ctrl-C is quiet even while the libraries are still being imported."""
    try:
        _open_closed_streams()
        from mnistnet.cli import cli

        cli.main(prog_name="mnistnet")
    except KeyboardInterrupt:
        sys.exit(130)


def _open_closed_streams() -> None:
    """Let what was closed (`>&-`) lead nowhere: else a checkpoint that is opened later would become stdout."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
