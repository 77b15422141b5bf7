"""`python -m mnistnet` and the `mnistnet` command."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C is quiet even while the libraries are still being imported."""
    try:
        from mnistnet.cli import cli

        cli.main(prog_name="mnistnet")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
