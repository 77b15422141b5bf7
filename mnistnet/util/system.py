"""What this operating system can do. Nobody else asks for its name, so a test can take any of this away.

macOS and Windows have no eventfd, and on macOS libraries do not survive a fork. Windows has neither `fork` nor `poll`,
does not replace a file that somebody has open, and cannot say whether a process of a number lives.
"""

import os
import select
import sys

CAN_FORK = sys.platform == "linux" and hasattr(os, "fork")
"""Whether a child process can go on with what this one holds."""

CAN_SHARE_STEPS = CAN_FORK and hasattr(os, "eventfd")
"""Whether several processes can share each training step (`training/process_pool.py`)."""

CAN_POLL = hasattr(select, "poll")

REPLACES_OPEN_FILES = sys.platform != "win32"
"""Whether a file can be replaced while another process reads it."""

KNOWS_THE_LIVING = sys.platform != "win32"
"""Whether `os.kill(number, 0)` asks for a process (on Windows it would end it), and orphans get another parent."""


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
