# SPDX-License-Identifier: Apache-2.0
"""Fails for a *_test.cc, *_fuzz.cc or *_benchmark.cc that the CMakeLists.txt beside or above it does not name."""

from pathlib import PurePosixPath

import tree

CMAKE = {str(PurePosixPath(path).parent): tree.read(path).split() for path in tree.files("*CMakeLists.txt")}


def is_listed(path):
    path = PurePosixPath(path)
    for folder in path.parents:
        words = CMAKE.get(str(folder))
        if words is not None and any(word.strip("()") == str(path.relative_to(folder)) for word in words):
            return True
    return False


tree.finish(
    [
        f"{path}: in no CMake target"
        for path in tree.files("*_test.cc", "*_fuzz.cc", "*_benchmark.cc")
        if not is_listed(path)
    ]
)
