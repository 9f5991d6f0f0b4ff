# SPDX-License-Identifier: Apache-2.0
"""Fails for a promise in SECURITY.md without a test, or with one that is not in the tree: `file::name`, where the name
is `Suite.Name` in C++ and a function in Python."""

import re

import tree

DOCUMENT = "SECURITY.md"
REFERENCE = re.compile(r"`([^`\s]+)::([^`\s]+)`")


def is_there(file, name):
    if not (tree.ROOT / file).is_file():
        return False
    if file.endswith(".py"):
        definition = rf"^def {re.escape(name)}\("
    else:
        suite, _, test = name.partition(".")
        definition = rf"^TEST(?:_F|_P)?\({re.escape(suite)},\s*{re.escape(test)}\)"
    return re.search(definition, tree.read(file), re.MULTILINE) is not None


rows = tree.read(DOCUMENT).partition("| promise | bound | test |\n|---|---|---|\n")[2].split("\n\n")[0].splitlines()
complaints = [] if rows else [f"{DOCUMENT}: no table `promise | bound | test`"]
for row in rows:
    cells = [cell.strip() for cell in row.strip().strip("|").split(" | ")]
    references = REFERENCE.findall(cells[-1]) if len(cells) == 3 and all(cells) else []
    if not references:
        complaints.append(f"{DOCUMENT}: a row that is not `promise | bound | file::name`: {row}")
    complaints += [f"{DOCUMENT}: no test {file}::{name}" for file, name in references if not is_there(file, name)]
tree.finish(complaints)
