"""The errors a user can act on. Each carries one line that says what is wrong and what to do."""


class GridcodeError(Exception):
    """Something a user can act on; the command line prints it as one line."""

    exit_code = 1


class InputError(GridcodeError, ValueError):
    """What was asked for does not make sense: a bad setting, file, folder or array. Exit code 2."""

    exit_code = 2


class TrainingError(GridcodeError, RuntimeError):
    """A training could not go on: a non-finite loss, a full disk. Exit code 1."""
