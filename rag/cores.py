"""How many cores this process may use, which can be fewer than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that are left by its affinity and by its container's quota; at least one."""
    own = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        own = len(os.sched_getaffinity(0))
    return max(1, min(own, int(_quota())))


def _quota() -> float:
    """How much of how many cores a container is given, where Linux says so."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((_CGROUP / name).read_text() for name in files).split()
            if int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return float(os.cpu_count() or 1)
