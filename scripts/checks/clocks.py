# SPDX-License-Identifier: Apache-2.0
"""Fails for a use of the wall clock where no entry below says why: it may be set, and intervals then go wrong.

And for a C++ test that sleeps, because no test may hope that others are done by then.
"""

import re

import tree

# Path -> (what it uses the wall clock for, times it names it).
ALLOWED = {
    "shared/telemetry/log.cc": ("a log line says when it was written", 1),
    "orchestrator/upload_reactor.cc": ("UploadVideoResponse.expire_time is a moment on the caller's calendar", 1),
    "orchestrator/source/upload_files.cc": ("how old an upload of a process before is: nothing else outlives one", 1),
    "orchestrator/source/upload_store_test.cc": ("makes files older and younger", 2),
    "shared/model_store/file_hashes_test.cc": ("dates a file", 1),
    "shared/base/mutex.h": ("ThreadSanitizer's build only", 1),
    "shared/base/mutex_test.cc": ("counts such waits", 1),
    "shared/rpc/deadline_test.cc": ("a deadline that gRPC gives on this clock", 1),
}
WALL = re.compile(
    r"\babsl::Now\(|\babsl::GetCurrentTimeNanos\b|\bsystem_clock\b|\butc_clock\b|\bhigh_resolution_clock\b|"
    r"\bfile_time_type::clock\b|\bgettimeofday\(|\bCLOCK_REALTIME\b|\bGPR_CLOCK_REALTIME\b|"
    r"(?<![\w.>])(?:std::|::)?time\((?:nullptr|NULL|0|&\w+)\)|\btimespec_get\(|\bTimeUtil::GetCurrentTime\b|"
    r"\bWaitWith(?:Timeout|Deadline)\(|\bpthread_cond_timedwait\("
)


def code_of(text):
    """Without comments."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


SLEEP = re.compile(r"\bsleep_(?:for|until)\(|\bu?sleep\(|\bnanosleep\(|\bSleepFor\(")

complaints = []
for path in tree.files("*_test.cc"):
    if SLEEP.search(code_of(tree.read(path))):
        complaints.append(
            f"{path}: sleeps; wait for what it waits for (shared/testing/wait.h, shared/base/test_pause.h)"
        )
for path in tree.files("*.cc", "*.h"):
    uses = WALL.findall(code_of(tree.read(path)))
    allowed = ALLOWED.get(path, ("", 0))[1]
    if len(uses) > allowed:
        complaints.append(
            f"{path}: {', '.join(sorted(set(uses)))}: intervals and waits are on the steady clock"
            " (shared/base/stopwatch.h, shared/rpc/deadline.h); a moment for people gets an entry in"
            " scripts/checks/clocks.py"
        )
for path, (_, count) in ALLOWED.items():
    if path in tree.files(path) and len(WALL.findall(code_of(tree.read(path)))) < count:
        complaints.append(f"{path}: scripts/checks/clocks.py allows more than there is")
tree.finish(complaints)
