# SPDX-License-Identifier: Apache-2.0
"""Fails for a command in Markdown that does not exist: scripts, make targets, our programs and their subcommands."""

import re

import tree

TARGETS = set(re.findall(r"^([a-z]+):", tree.read("Makefile"), re.MULTILINE))
CMAKE = "\n".join(tree.read(path) for path in tree.files("*CMakeLists.txt"))
PROGRAMS = set(re.findall(r"(?:reelsight_program|reelsight_test|add_executable)\((\S+)", CMAKE))
PROGRAMS |= {f"{name}_test" for name in re.findall(r"reelsight_test\((\S+)", CMAKE)}

complaints = []
for path in tree.files("*.md"):
    text = tree.read(path)
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    for script in re.findall(r"(?<![\w/.])((?:scripts|\.ci|tests)/[\w./-]+\w)", code):
        if not (tree.ROOT / script).exists():
            complaints.append(f"{path}: {script} does not exist")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", code, re.MULTILINE):
        if target not in TARGETS:
            complaints.append(f"{path}: make {target} does not exist")
    for program in re.findall(r"build/\w+/bin/([\w-]+)", code):
        if program not in PROGRAMS:
            complaints.append(f"{path}: no program {program}")
tree.finish(complaints)
