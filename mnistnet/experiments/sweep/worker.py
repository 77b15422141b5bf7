"""What each worker process of this machine's own cluster runs first: Dask imports this module by its name.

Ctrl-C goes to all processes of a terminal at once. Who waits for the workers ends them; by themselves they would die
with tracebacks, and their keeper would start new ones.
"""

import signal


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C in this worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
