"""How a child process behaves that works for its parent: it leaves Ctrl-C to the parent, and never outlives it."""

import os
import signal
import threading
import time

from mnistnet.util import system


def follow(parent: int) -> None:
    """Leave Ctrl-C to the process that waits for this one, and end when that one has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if system.KNOWS_THE_LIVING:  # else a process keeps the number of its parent
        threading.Thread(target=watch, daemon=True).start()
