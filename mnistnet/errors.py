"""The errors a user can cause or meet.

Each carries one sentence that says what was expected, what came, where, and what to do. The command line
prints that sentence and exits with `exit_code`; nothing else in the package knows about exit codes.
"""


class MnistnetError(Exception):
    """Something the user can understand and act on."""

    exit_code = 1


class ConfigError(MnistnetError):
    """A config file, or an override of one, that cannot be trained with."""

    exit_code = 2


class UsageError(MnistnetError):
    """A request that contradicts what is already there, such as a run over an existing run."""

    exit_code = 2


class DataError(MnistnetError):
    """A data set that is missing, damaged, or not what it says it is."""


class DownloadError(DataError):
    """No mirror could give a file."""


class CheckpointError(MnistnetError):
    """A checkpoint that cannot be read, or cannot be written."""


class RunError(MnistnetError):
    """A run's folder that cannot be used."""


class ImageError(MnistnetError):
    """A picture that cannot be read as a digit."""


class PlotError(MnistnetError):
    """A figure that cannot be drawn, or cannot be written."""


class ExportError(MnistnetError):
    """A network that cannot be written in another format."""


class DemoError(MnistnetError):
    """A page that cannot be served."""


class SweepError(MnistnetError):
    """A sweep that cannot begin or go on: its folder, its scheduler or its workers."""


class DivergedError(MnistnetError):
    """Training that produced a cost or a weight which is not a finite number."""


class WorkerError(MnistnetError):
    """Processes that were to share the work and could not be started, or ended before it was done."""
