"""How many cores this process may use."""

import os


def allowed_cores() -> int:
    """Cores of this process, at most as many as `OMP_NUM_THREADS` says where it is set."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    given = int(wanted) if wanted.isdecimal() else 0
    return min(cores or 1, given or cores or 1)
