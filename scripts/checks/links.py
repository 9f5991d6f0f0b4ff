# SPDX-License-Identifier: Apache-2.0
"""Fails for a link in Markdown to a file or heading of this repository that does not exist. Asks no server."""

import re
from pathlib import Path

import tree

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(text):
    """Names of the headings, as forges spell them."""
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


complaints = []
for path in tree.files("*.md"):
    for target in LINK.findall(FENCE.sub("", tree.read(path))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (tree.ROOT / path).parent / name if name else tree.ROOT / path
        if not file.exists():
            complaints.append(f"{path}: {target} does not exist")
        elif anchor and file.suffix == ".md" and anchor not in anchors(Path(file).read_text(encoding="utf-8")):
            complaints.append(f"{path}: {target} has no such heading")
tree.finish(complaints)
