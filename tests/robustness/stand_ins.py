"""A stand-in for the work behind a command, where only what comes before it is tried."""

from gridcode.errors import TrainingError


class Accepted(TrainingError):
    """What was read or let through: the work itself is not done."""


def accepted(*_args, **_kwargs):
    raise Accepted("accepted")
