# SPDX-License-Identifier: Apache-2.0
"""Controls of the leak detector: processes that leak on purpose must trip it, ones that only vary must not."""

import subprocess
import sys

import pytest

import memory

# Holds 100 MiB, then at each line read takes and frees up to 5 MiB and keeps argv[1] bytes.
CHILD = """
import random, sys
random.seed(int(sys.argv[2]))
def touched(size):
    block = bytearray(size)
    block[::4096] = b"x" * len(block[::4096])
    return block
kept = [touched(100 << 20)]
for _ in sys.stdin:
    varying = touched(random.randrange(1, 5 << 20))
    kept.append(touched(max(1, int(sys.argv[1]))))
    print("done", flush=True)
"""


def growth_of_child(leak_bytes, steps, seed=1):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(leak_bytes), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    samples = []
    for _ in range(steps):
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        samples.append(memory.resident_bytes(child.pid))
    child.stdin.close()
    child.wait(timeout=10)
    return memory.growth(samples)


@pytest.mark.parametrize("leak_bytes", [64 << 10, 1 << 20])
def test_leak_trips_the_bound_of_a_long_soak(leak_bytes):
    """64 KiB a step over the 75 steps of the second half are 4.7 MiB of 110 MiB."""
    assert growth_of_child(leak_bytes, steps=150) > 0.02


def test_leak_trips_the_bound_of_a_short_soak():
    assert growth_of_child(2 << 20, steps=15) > 0.05


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_varying_memory_does_not_trip_it(seed):
    assert abs(growth_of_child(0, steps=150, seed=seed)) < 0.02


def test_growth_of_a_straight_line():
    assert memory.growth([100 + i for i in range(101)]) == pytest.approx(50 / 150, rel=0.02)


def test_one_time_growth_in_the_first_half_is_not_a_leak():
    assert memory.growth([50 + 10 * min(i, 40) for i in range(100)]) == 0


def test_a_few_outliers_do_not_move_it():
    samples = [100.0] * 100
    samples[95:] = [150.0] * 5
    assert memory.growth(samples) == 0
