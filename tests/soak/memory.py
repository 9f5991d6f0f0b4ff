# SPDX-License-Identifier: Apache-2.0
"""Tells a process whose memory grows from one whose memory only varies."""

import statistics
from pathlib import Path

PAGE_BYTES = 4096


def resident_bytes(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def growth(samples):
    """Growth of the second half of `samples`, as a share of the level at its start.

    Taken from the Theil-Sen line (the median of the slopes of all pairs), which a few high or low samples do not move.
    """
    half = samples[len(samples) // 2 :]
    if len(half) < 4:
        raise ValueError("too few samples")
    slope = statistics.median((half[j] - half[i]) / (j - i) for i in range(len(half)) for j in range(i + 1, len(half)))
    start = statistics.median(sample - slope * i for i, sample in enumerate(half))
    return slope * (len(half) - 1) / start
