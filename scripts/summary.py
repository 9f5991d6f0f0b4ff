#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what ran: JUnit files of test runners and .tsv files of single steps (passed|failed|skipped, name, reason).

Prints failures and the reasons of skips, then, as the last line, `N passed, N failed`. Exit code 1 if anything failed
or nothing ran.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def read_junit(path):
    """Yields (state, name, reason) of each test case."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')} {case.get('name', '')}".strip()
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            yield "failed", name, ""
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            reason = (skipped.get("message") if skipped is not None else "") or first_skip_line(case)
            yield "skipped", name, reason or "not run"
        else:
            yield "passed", name, ""


def first_skip_line(case):
    """The message that a skipped gtest case printed."""
    lines = (case.findtext("system-out") or "").splitlines()
    for i, line in enumerate(lines):
        if line.endswith("Skipped") and i + 1 < len(lines):
            return lines[i + 1].strip()
    return ""


def read_tsv(path):
    for line in path.read_text().splitlines():
        state, name, *reason = line.split("\t")
        yield state, name, reason[0] if reason else ""


def main():
    cases = []
    for folder in sys.argv[1:]:
        paths = sorted(Path(folder).glob("*"))
        if not paths:
            cases.append(("failed", f"{folder}: nothing ran", ""))
        for path in paths:
            if path.suffix == ".xml":
                try:
                    cases += read_junit(path)
                except ElementTree.ParseError as error:
                    cases.append(("failed", f"{path.name}: unreadable, its runner was cut short ({error})", ""))
            elif path.suffix == ".tsv":
                cases += read_tsv(path)
    counts = Counter(state for state, _, _ in cases)
    print()
    for state, name, _ in cases:
        if state == "failed":
            print(f"failed: {name}")
    for reason, count in Counter(reason for state, _, reason in cases if state == "skipped").items():
        print(f"skipped: {count} ({reason})")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
