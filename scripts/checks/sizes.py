# SPDX-License-Identifier: Apache-2.0
"""Fails for a C++ file of more than 500 lines and for a class of more than 300: nobody reads them from end to end."""

import re

import tree

MOST_LINES, MOST_CLASS_LINES = 500, 300
CLASS = re.compile(r"^( *)(?:template <.*> )?(?:class|struct) (?:ABSL_\w+(?:\(.*?\))? )?(\w+)(?: final)?(?: :.*)?\{$")


def classes(lines):
    """Names and lengths, by the indentation that clang-format gives."""
    for begin, line in enumerate(lines):
        if found := CLASS.match(line):
            end = next((i for i in range(begin, len(lines)) if lines[i].startswith(found[1] + "};")), begin)
            yield found[2], end - begin + 1


complaints = []
for path in tree.files("*.cc", "*.h"):
    lines = tree.read(path).splitlines()
    if len(lines) > MOST_LINES:
        complaints.append(f"{path}: {len(lines)} lines; split it where its parts know least of each other")
    complaints += [
        f"{path}: class {name} has {length} lines; what it does has parts that can be classes"
        for name, length in classes(lines)
        if length > MOST_CLASS_LINES
    ]
tree.finish(complaints)
