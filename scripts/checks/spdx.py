# SPDX-License-Identifier: Apache-2.0
"""Fails for a source file that has no SPDX line among its first three lines."""

import tree

LINE = "SPDX-License-Identifier: Apache-2.0"
SOURCES = (
    "*.cc",
    "*.h",
    "*.py",
    "*.proto",
    "*.cmake",
    "*CMakeLists.txt",
    "Makefile",
    "scripts/*",
    ".ci/run",
    ".githooks/*",
)

tree.finish(
    [f"{path}: no SPDX line" for path in tree.files(*SOURCES) if LINE not in "\n".join(tree.read(path).split("\n")[:3])]
)
