"""`mnistnet demo`: a page to draw a digit on, watch the network think, and teach it."""

import socket
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistnet.cli.options import data_options, find_checkpoint, open_store
from mnistnet.cli.terminal import echo
from mnistnet.errors import DemoError
from mnistnet.util import system
from mnistnet.util.extras import install_command

if TYPE_CHECKING:
    from flask import Flask

WAIT = 0.5  # seconds a wait: Windows notices Ctrl-C only between two


@click.command(
    name="demo",
    epilog="""\b
Examples:
  mnistnet demo
  mnistnet demo best
  mnistnet demo runs/default/best.npz --no-browser --port 8000""",
)
@click.argument("checkpoint", required=False, metavar="[CHECKPOINT]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port to listen at [default: a free one]."
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at; others than the default let your network in.",
)
@data_options
def command(
    checkpoint: str | None,
    no_browser: bool,
    port: int,
    host: str,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
) -> None:
    """Open a page to draw a digit on, watch a network think, and teach it.

    CHECKPOINT is a file, the folder of a run, `last-run`, or `best` or `3blue1brown` [default: 3blue1brown, which
    comes with the package]. The page works without internet. Needs the extra `demo`.
    """
    try:
        import flask  # noqa: F401  # is it there?
        import waitress  # noqa: F401
    except ImportError:
        raise DemoError(
            f"the page needs flask and waitress, which are not installed: `{install_command('demo')}` adds them"
        ) from None
    from mnistnet.checkpoint import checkpoint as checkpoints
    from mnistnet.training.process_pool import one_blas_thread
    from mnistnet.web.demo_model import prepare
    from mnistnet.web.server import Hosts, create_app, is_loopback

    path = find_checkpoint(checkpoint, default="3blue1brown")
    loaded = checkpoints.load(path)
    demo_model = prepare(
        checkpoint or "3blue1brown", loaded, open_store(loaded.config.dataset, data_dir, mirrors, loaded.read_as)
    )
    with _listening(host, port) as listener, one_blas_thread():
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{'localhost' if host in ('0.0.0.0', '::') else shown}:{bound}/"
        if not is_loopback(host):
            echo(f"mnistnet: warning: bound to {host}: everybody who can reach this machine can use the page", err=True)
        thread = _serve(create_app(demo_model, Hosts(host, bound)), listener)
        echo(f"listening at {address} (Ctrl-C stops)")
        if not no_browser and not _opened(address):
            echo("no browser could be opened; open that address yourself", err=True)
        # Signals reach only this thread, so they can interrupt only this wait.
        while thread.is_alive():
            thread.join(WAIT)
    raise DemoError("the server stopped by itself")


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address. Raises DemoError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, UnicodeError) as error:
        # Python adds the address to the system's message, which names it already.
        words = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0]
        raise DemoError(
            f"cannot listen at {host}, port {port}: {words[:1].lower() + words[1:]}; choose others with --host, --port"
        ) from None


def _serve(app: "Flask", listener: socket.socket) -> threading.Thread:
    """Serve the page from daemon threads."""
    import logging

    import waitress

    from mnistnet.web.server import LIMITS

    logging.getLogger("waitress").setLevel(logging.CRITICAL)  # it would report that visitors come and go
    server = waitress.create_server(app, sockets=[listener], **LIMITS | {"asyncore_use_poll": system.CAN_POLL})
    thread = threading.Thread(target=server.run, name="mnistnet-demo", daemon=True)
    thread.start()
    return thread


def _opened(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
