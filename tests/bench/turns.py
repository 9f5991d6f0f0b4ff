# SPDX-License-Identifier: Apache-2.0
"""Contenders that take turns, their medians and spreads, and the tables made of them."""

import os
import re
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/benchmarks.md"


def wall_seconds(command):
    """Runs a command; its wall time and largest resident memory."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command}: {errors.decode()}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


def take_turns(contenders, runs, warm_up=True):
    """Name -> figures. Each contender is a function that returns one figure; the figures of a warm-up do not count."""
    figures = {name: [] for name in contenders}
    for turn in range(0 if warm_up else 1, runs + 1):
        for name, measure in contenders.items():
            figure = measure()
            if turn > 0:
                figures[name].append(figure)
        print(f"  turn {turn} of {runs} done", flush=True)
    return figures


def show(figures, unit="s", digits=2):
    """Median and spread, as text."""
    low, median, high = (f"{figure:.{digits}f}" for figure in (min(figures), statistics.median(figures), max(figures)))
    return f"{median} {unit} ({low} to {high})"


def ratio(figures, ours, peer):
    return statistics.median(figures[ours]) / statistics.median(figures[peer])


def verdict(good):
    return "met" if good else "**missed**"


def machine():
    """The processor's model, and how many of them this process may use."""
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return f"{match[1] if match else os.uname().machine}, {len(os.sched_getaffinity(0))} processors"


def table(rows):
    lines = ["| what | ours | figure | peer | its figure | ratio | goal | |", "|---|---|---|---|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def save(name, text):
    """Puts `text` between the marks of `name` in docs/benchmarks.md."""
    page = PAGE.read_text()
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    first, last = page.index(begin) + len(begin), page.index(end)
    PAGE.write_text(f"{page[:first]}\n{text}\n{page[last:]}")
