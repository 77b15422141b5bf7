"""The command line: one file for each command. This one finds them and turns errors into exit codes.

Command modules import slow modules inside their functions, so that `--help` answers at once.
"""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from mnistnet import __version__
from mnistnet.cli.terminal import echo, with_program
from mnistnet.errors import MnistnetError
from mnistnet.util.printable import printable

COMMANDS = (
    "train",
    "eval",
    "predict",
    "explain",
    "compare",
    "demo",
    "plot",
    "sweep",
    "export",
    "info",
    "config",
    "augment-preview",
    "data",
    "download",
)


class TerminatedError(BaseException):
    """The process was asked to end (SIGTERM); not an Exception, so that nobody handles it by accident."""


class Cli(click.Group):
    """A group that imports a command when it is named, and turns every error into one line and an exit code.

    Exit codes: 0 done, 1 a domain error, 2 wrong usage or config, 130 interrupted, 143 terminated.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order in which people meet them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List each command with the whole first sentence of its help."""
        commands = ((name, self.get_command(ctx, name)) for name in COMMANDS)
        rows = [(name, _first_sentence(command.help or "")) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mnistnet.cli.{cmd_name.replace('-', '_')}").command
        return command

    def main(  # type: ignore[override]  # standalone or not is decided here, not by the caller
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command line and leave with its exit code."""
        extra.pop("standalone_mode", None)
        with _log_to_stderr():
            sys.exit(self._run(args, prog_name, extra))

    def _run(self, args: Sequence[str] | None, prog_name: str | None, extra: dict[str, Any]) -> int:
        heard: list[int] = []
        try:
            with _signals_as_exceptions(heard):
                result = super().main(args, prog_name, standalone_mode=False, **extra)
                sys.stdout.flush()
                return result if isinstance(result, int) else 0
        except MnistnetError as error:
            return _fail(str(error), error.exit_code)
        except click.ClickException as error:
            if not isinstance(error, click.exceptions.NoArgsIsHelpError):  # whose message is the help, many lines
                vars(error)["message"] = printable(error.message)
            error.show()
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            return 130
        except TerminatedError:
            return 143
        except BrokenPipeError:
            # The reader of our output has gone. Without this, Python would complain again when it closes stdout.
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except MemoryError:
            return _fail("not enough memory; a smaller batch_size or smaller layer_sizes need less", 1)
        except OSError as error:
            return _fail(f"{error.filename or 'the operating system'}: {error.strerror or error}", 1)
        except Exception as error:
            if heard:  # a library that was being imported has turned our exception into its own
                return heard[0]
            if os.environ.get("MNISTNET_DEBUG"):
                raise
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return _fail(f"internal error, please report it ({what}); MNISTNET_DEBUG=1 shows where it happened", 1)


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].removesuffix(".")


def _fail(message: str, code: int) -> int:
    with suppress(OSError):
        echo(f"mnistnet: error: {with_program(message)}", err=True)
    return code


@contextmanager
def _signals_as_exceptions(heard: list[int]) -> Iterator[None]:
    """Let SIGTERM unwind the program as Ctrl-C does, so that temporary files are removed and messages printed.

    The exit code of a signal is added to `heard`.
    """

    def terminate(number: int, frame: object) -> None:
        heard.append(143)
        raise TerminatedError

    def interrupt(number: int, frame: object) -> None:
        heard.append(130)
        raise KeyboardInterrupt

    def again(lost: Any) -> None:
        number = {KeyboardInterrupt: signal.SIGINT, TerminatedError: signal.SIGTERM}.get(lost.exc_type)
        if number is None:
            hook(lost)
        else:
            timer = threading.Timer(0.01, _send, [number])
            timer.daemon = True
            timer.start()

    wanted = {signal.SIGTERM: terminate}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as behind a shell's `&`
        wanted[signal.SIGINT] = interrupt
    try:
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    except ValueError:  # not in the main thread: the embedding program handles signals
        yield
        return
    # Python ignores exceptions raised in a destructor or in a callback from C, so signals heard there are sent again.
    hook, sys.unraisablehook = sys.unraisablehook, again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _send(number: int) -> None:
    """Send this process a signal, such that its main thread wakes up."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show what the package's modules log as lines on stderr, and what other packages log nowhere."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            echo(f"mnistnet: {record.levelname.lower()}: {with_program(record.getMessage())}", err=True)

    # Without a handler of its own, Python itself would print what Pillow logs about a damaged picture.
    handlers = {"mnistnet": Handler(), "PIL": logging.NullHandler()}
    for name, handler in handlers.items():
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name, handler in handlers.items():
            logging.getLogger(name).removeHandler(handler)


@click.group(
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `mnistnet train`, then `mnistnet eval last-run` and `mnistnet predict PICTURE`.",
)
@click.version_option(__version__, message="mnistnet %(version)s")
def cli() -> None:
    """Train a neural network on MNIST, and see how it learns. Backpropagation in plain NumPy.

    Results go to stdout, progress and errors to stderr. Exit codes: 0 done, 1 an error, 2 wrong usage or config,
    130 interrupted, 143 terminated.
    """
