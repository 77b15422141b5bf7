"""Behaviour of a child process: it leaves Ctrl-C to its parent, and never outlives it."""

import os
import signal
import threading
import time

from mnistnet.util import system


def follow(parent: int) -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if system.CAN_CHECK_PROCESSES:  # elsewhere a process keeps its parent's number
        threading.Thread(target=watch, daemon=True).start()
