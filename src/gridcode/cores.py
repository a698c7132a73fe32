"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """Cores of this process: fewer than the machine has where the system grants fewer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def allowed_cores() -> int:
    """The same, at most as many as `OMP_NUM_THREADS` says where it is set."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    given = int(wanted) if wanted.isdecimal() else 0
    return min(usable_cores(), given or usable_cores())
