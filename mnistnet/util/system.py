"""Capabilities of the operating system. Other modules never check its name, so tests can take any of them away.

macOS and Windows have no eventfd, and on macOS libraries do not survive a fork. Windows has neither `fork` nor `poll`,
does not replace an open file, and cannot check whether a process number is in use.
"""

import os
import select
import sys

CAN_FORK = sys.platform == "linux" and hasattr(os, "fork")
"""Whether a child process can continue with this one's memory."""

CAN_SHARE_STEPS = CAN_FORK and hasattr(os, "eventfd")
"""Whether several processes can share each training step (`training/process_pool.py`)."""

CAN_POLL = hasattr(select, "poll")

REPLACES_OPEN_FILES = sys.platform != "win32"
"""Whether a file can be replaced while another process reads it."""

CAN_CHECK_PROCESSES = sys.platform != "win32"
"""Whether `os.kill(number, 0)` asks for a process (on Windows it would end it), and orphans get another parent."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
