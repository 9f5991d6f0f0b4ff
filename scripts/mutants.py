# SPDX-License-Identifier: Apache-2.0
"""Breaks the code a little, in many places, and counts how often a test notices (ADR 26).

A mutant is one line changed by a rule of universalmutator. It is built in a folder of its own: its object files (of a
header: those of the folder that include it) and one test program; the tree is not touched. Killed is what makes a test
of the same folder fail, or hang. Not counted is what does not compile, what gives the object code that the release
preset gives anyway, and what scripts/mutants_accepted.txt names with its reason.

Optimising takes most of a build, so tests run without it; only what survives them is built as the release preset does.

Results lie in out/mutants and are kept: a run that was cut short goes on where it stopped. Exit code 1 if fewer than
--killed percent die.
"""

import argparse
import concurrent.futures
import contextlib
import hashlib
import io
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/release"
ACCEPTED = ROOT / "scripts/mutants_accepted.txt"
RULES = ["universal.rules", "c_like.rules", "cpp.rules"]
# What is mutated -> the target whose tests must notice.
FOLDERS = {
    "shared/base": "base_test",
    "shared/batching": "batching_test",
    "shared/cache": "cache_test",
    "shared/concurrency": "concurrency_test",
    "orchestrator/plan": "plan_test",
    "orchestrator/fanout": "fanout_test",
    "orchestrator/merge": "merge_test",
    "orchestrator/run_queue": "orchestrator_test",
    "orchestrator/run_registry": "orchestrator_test",
}
SUITE = re.compile(r"^TEST(?:_F|_P)?\((\w+),", re.MULTILINE)


def sources_of(part):
    """The files of a folder, or of a class, that are no tests."""
    base = ROOT / part
    files = base.glob("*.*") if base.is_dir() else base.parent.glob(base.name + ".*")
    kept = [f for f in files if f.suffix in (".cc", ".h") and not re.search(r"_(test|fuzz|benchmark)\b|_test_", f.stem)]
    return sorted(str(f.relative_to(ROOT)) for f in kept)


def same_letters(one, other):
    """Length of the beginning that both have."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def is_hopeless(line, mutant):
    """The rules know no C++: most changes of brackets of templates, of `&` and `*` of types, of digits in names."""
    start = same_letters(line, mutant)
    end = same_letters(line[start:][::-1], mutant[start:][::-1])
    gone = line[start : len(line) - end]
    before, after = line[start - 1 : start], line[len(line) - end : len(line) - end + 1]
    if gone.strip() in ("<", ">", "&", "*", "<<", ">>") and not (gone + before + after).count(" ") >= 2:
        return True
    come = mutant[start : len(mutant) - end]
    if come == "=" and gone == "" and before in "<>" and line[start - 2 : start - 1] != " ":
        return True
    if come == "-" and gone == "" and before.isalnum() and after.isdigit():
        return True
    codes = [re.sub(r"//.*|/\*.*?\*/", "", text) for text in (line, mutant)]
    if any(
        codes[0].count(opening) - codes[0].count(closing) != codes[1].count(opening) - codes[1].count(closing)
        for opening, closing in ("()", "[]", "{}")
    ):
        return True
    if gone in ("begin", "end") and re.search(r"\w", before + after):
        return True
    return gone.isdigit() and (before.isalnum() or before == "_")


def indent_of(line):
    return len(line) - len(line.lstrip())


def is_idle_jump(lines, number, mutant):
    """A `break` or `continue` is put where there is no loop, or at a loop's end. Goes by clang-format's indents."""
    line = lines[number - 1]
    added = mutant.removeprefix(line.rstrip("\n"))
    if added == mutant or added.strip() not in ("break;", "continue;"):
        return False
    code = re.sub(r"//.*", "", line).strip()
    if not code.endswith((";", "{", "}", ":")):
        return True
    above = [text for text in lines[: number - 1] if text.strip() and not text.startswith("#")][::-1]
    following = next((text for text in lines[number:] if text.strip()), "")
    if added.strip() == "continue;" and following.strip() == "}":
        opener = next((text for text in above if indent_of(text) <= indent_of(following)), "")
        if indent_of(line) > indent_of(following) and opener.strip().startswith(("for ", "while ")):
            return True
    indent = indent_of(line)
    for text in [line] * code.endswith("{") + above:
        if text is line or indent_of(text) < indent:
            indent = indent_of(text)
            if re.match(r"(for|while|do|switch)\b", text.strip()):
                return False
            if indent == 0 or re.search(r"\[.*\].*\{$", text.rstrip()):
                return True
    return True


def mutants_of(path):
    """(line number, line, mutated line), each change once."""
    from universalmutator import mutator

    lines = (ROOT / path).read_text().splitlines(keepends=True)
    with contextlib.redirect_stdout(io.StringIO()):
        found = mutator.mutants_regexp(lines, RULES, ignorePatterns=[r"^\s*//", r"^\s*namespace ", r"^#"])
    unique = {}
    for number, mutant, *_ in found:
        # What changes nothing but spaces or a comment.
        code = [re.sub(r"//.*|/\*.*?\*/|\s", "", text) for text in (lines[number - 1], mutant)]
        if code[0] == code[1] or is_idle_jump(lines, number, mutant):
            continue
        if not is_hopeless(lines[number - 1], mutant):
            unique[number, "".join(mutant.split())] = (number, lines[number - 1], mutant)
    return list(unique.values())


class Builder:
    """Commands of the build folder, made to build elsewhere. Thread-safe."""

    def __init__(self):
        database = json.loads((BUILD / "compile_commands.json").read_text())
        self.by_output = {}
        for entry in database:
            words = shlex.split(entry["command"])
            self.by_output[words[words.index("-o") + 1]] = (words, os.path.relpath(entry["file"], ROOT))
        self.links = {}
        self.includers = {}

    def link_command(self, target):
        if target not in self.links:
            text = self.ninja("-t", "commands", "-s", target) or self.ninja("-t", "commands", target)
            line = [line for line in text.splitlines() if f"-o bin/{target}" in line][-1]
            self.links[target] = shlex.split(line.removeprefix(": && ").removesuffix(" && :"))
        return self.links[target]

    def objects_with(self, part, target, path):
        """Objects of the folder, and of its test, that are made of this file."""
        if path not in self.includers:
            folder = str(Path(part).parent if (ROOT / part).is_file() or not (ROOT / part).is_dir() else part)
            objects = []
            for output, (_, source) in self.by_output.items():
                if str(Path(source).parent) != folder or not ("_test" not in source or f"/{target}.dir/" in output):
                    continue
                if re.search(r"_(fuzz|benchmark)\.cc$", source) or "/tsan" in output:
                    continue
                # A plug-in has copies of its own, which no test of the folder links.
                if not output.startswith(f"{folder}/"):
                    continue
                if source == path or (path.endswith(".h") and path in self.dependencies(output)):
                    objects.append(output)
            self.includers[path] = objects
        return self.includers[path]

    def dependencies(self, output):
        text = self.ninja("-t", "deps", output)
        return {os.path.relpath(line.strip(), ROOT) for line in text.splitlines()[1:] if line.startswith(" ")}

    def compile(self, part, target, path, text, work, quick):
        """Compiles with `text` in place of the file: the objects by their outputs, None if it cannot."""
        overlay = work / "overlay" / path
        overlay.parent.mkdir(parents=True, exist_ok=True)
        overlay.write_text(text)
        made = {}
        for output in self.objects_with(part, target, path):
            words, source = self.by_output[output]
            words = list(words)
            made[output] = work / output.replace("/", "_")
            words[words.index("-o") + 1] = str(made[output])
            at = words.index("-c") + 1
            words[at] = str(overlay) if source == path else words[at]
            # Before the tree. A test finds the header beside itself by the same name.
            words[1:1] = [f"-I{work / 'overlay'}"]
            if quick:
                # A precompiled header serves only what optimises too.
                words.append("-O1" if any("cmake_pch" in word for word in words) else "-O0")
            done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True, check=False, timeout=600)
            if done.returncode != 0:
                return None
        return made

    def digest(self, part, target, path, text, work):
        """Hash of the code that the release preset makes; None if it does not compile."""
        made = self.compile(part, target, path, text, work, quick=False)
        if made is None:
            return None
        return hashlib.sha256(b"".join(file.read_bytes() for _, file in sorted(made.items()))).hexdigest()

    def build(self, part, target, path, text, work):
        """Builds the test with `text` in place of the file. (None, program) or (reason, None)."""
        made = self.compile(part, target, path, text, work, quick=True)
        if made is None:
            return "does not compile", None
        words = []
        front = [str(file) for output, file in made.items() if output not in self.link_command(target)]
        for word in self.link_command(target):
            if front and word.endswith(".o"):
                words += front
                front = []
            words.append(str(work / target if word == f"bin/{target}" else made.get(word, word)))
        done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            return "does not link", None
        return None, work / target

    @staticmethod
    def ninja(*arguments):
        done = subprocess.run(["ninja", "-C", BUILD, *arguments], capture_output=True, text=True, check=False)
        return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("ninja: "))


def run_test(program, test_filter, seconds, work):
    """killed, hung or passed."""
    command = [program, f"--gtest_filter={test_filter}", "--gtest_fail_fast", "--gtest_brief=1"]
    env = {**os.environ, "REELSIGHT_SOURCE_DIR": str(ROOT), "TMPDIR": str(work)}
    limit = ["prlimit", "--as=12000000000", "--core=0", "--"]
    popen = subprocess.Popen(
        limit + [str(word) for word in command],
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return "passed" if popen.wait(timeout=seconds) == 0 else "killed"
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, 9)
        popen.wait()
        return "hung"


class Judge:
    def __init__(self, builder, scratch):
        self.builder = builder
        self.scratch = scratch
        # Of the code as it is: hash by file, made when it is asked for, and seconds by target.
        self.digests = {}
        self.seconds = {}

    def prepare(self, part, path):
        """Builds and runs the file unchanged."""
        target = FOLDERS[part]
        with self.folder() as work:
            why, program = self.builder.build(part, target, path, (ROOT / path).read_text(), work)
            if why is not None:
                raise RuntimeError(f"{path}: unchanged, it {why}")
            if target in self.seconds:
                return
            start = time.monotonic()
            if run_test(program, "*", 900, work) != "passed":
                raise RuntimeError(f"{target} fails with nothing changed")
            self.seconds[target] = time.monotonic() - start

    def same_code(self, part, path, text):
        target = FOLDERS[part]
        if path not in self.digests:
            with self.folder() as work:
                self.digests[path] = self.builder.digest(part, target, path, (ROOT / path).read_text(), work)
        with self.folder() as work:
            return self.builder.digest(part, target, path, text, work) == self.digests[path]

    @contextlib.contextmanager
    def folder(self):
        # Names of equal length, so that object files differ by nothing else.
        work = Path(tempfile.mkdtemp(prefix="m", dir=self.scratch))
        fixed = work.parent / f"w{os.getpid()}_{work.name}"
        work.rename(fixed)
        try:
            yield fixed
        finally:
            shutil.rmtree(fixed, ignore_errors=True)

    def judge(self, mutant):
        part, path, number, line, text = (mutant[key] for key in ("part", "path", "number", "line", "mutant"))
        target = FOLDERS[part]
        lines = (ROOT / path).read_text().splitlines(keepends=True)
        assert lines[number - 1] == line
        lines[number - 1] = text
        with self.folder() as work:
            why, program = self.builder.build(part, target, path, "".join(lines), work)
            if why is not None:
                return why
            slow = 20 + 10 * self.seconds[target]
            test = ROOT / (path.rsplit(".", 1)[0] + "_test.cc")
            suites = sorted(set(SUITE.findall(test.read_text()))) if test.exists() else []
            if suites:
                result = run_test(program, ":".join(f"{suite}.*" for suite in suites), slow, work)
                if result != "passed":
                    return result
            rest = "-" + ":".join(f"{suite}.*" for suite in suites) if suites else "*"
            result = run_test(program, rest, slow, work)
            if result != "passed":
                return result
        return "same code" if self.same_code(part, path, "".join(lines)) else "survived"


def accepted():
    """(path, line, mutated line or `*`) without spaces -> reason."""
    out = {}
    for text in ACCEPTED.read_text().splitlines():
        if text and not text.startswith("#"):
            path, line, mutant, reason = text.split(" ||| ")
            out[path, "".join(line.split()), "".join(mutant.split())] = reason
    return out


def sample(seed):
    """All mutants in an order that the seed decides."""
    everything = []
    for part in FOLDERS:
        for path in sources_of(part):
            for number, line, mutant in mutants_of(path):
                everything.append({"part": part, "path": path, "number": number, "line": line, "mutant": mutant})
    everything.sort(key=lambda one: (one["path"], one["number"], one["mutant"]))
    random.Random(seed).shuffle(everything)
    return everything


def key_of(mutant):
    """Another one when the file or a test beside it changes."""
    digest = hashlib.sha256()
    folder = ROOT / mutant["path"]
    for file in [folder, *sorted(folder.parent.glob("*_test.cc"))]:
        digest.update(file.read_bytes())
    digest.update(f"{mutant['number']} {mutant['mutant']}".encode())
    return digest.hexdigest()


def report(judged, killed_percent):
    """Prints figures and survivors; the exit code."""
    total = [0, 0]
    survivors = []
    print(f"\n{'folder':28} killed survived   %")
    for part in FOLDERS:
        states = [result for mutant, result in judged if mutant["part"] == part]
        dead = sum(state in ("killed", "hung") for state in states)
        alive = states.count("survived")
        total = [total[0] + dead, total[1] + alive]
        if dead + alive:
            print(f"{part:28} {dead:6} {alive:8} {100 * dead / (dead + alive):3.0f}")
    survivors = [mutant for mutant, result in judged if result == "survived"]
    for mutant in survivors:
        print(f"\nsurvived: {mutant['path']}:{mutant['number']}\n  - {mutant['line'].strip()}")
        print(f"  + {' '.join(mutant['mutant'].split())}")
    counted = sum(total)
    percent = 100 * total[0] / counted if counted else 0
    left_out = {}
    for _, result in judged:
        if result not in ("killed", "hung", "survived"):
            left_out[result] = left_out.get(result, 0) + 1
    print(f"\nnot counted: {left_out}")
    print(f"{total[0]} of {counted} killed, {percent:.1f}%")
    return 0 if percent >= killed_percent else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="decides the sample; default: a random one")
    parser.add_argument("--count", type=int, default=200, help="mutants that count (default 200)")
    parser.add_argument("--killed", type=float, default=90, help="percent that must die (default 90)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-build", action="store_true", help="the build folder is as it must be")
    parser.add_argument("--folder", action="append", help="only these, of: " + ", ".join(FOLDERS))
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"mutants: seed {seed}", flush=True)
    if arguments.folder:
        for part in set(FOLDERS) - set(arguments.folder):
            del FOLDERS[part]
    targets = sorted(set(FOLDERS.values()))
    if not arguments.no_build:
        subprocess.run(["cmake", "--build", BUILD, "--target", *targets], check=True, stdout=subprocess.DEVNULL)
    out = ROOT / "out/mutants"
    out.mkdir(parents=True, exist_ok=True)
    log = out / f"seed-{seed}.jsonl"
    known = {}
    if log.exists():
        known = {entry["key"]: entry["result"] for entry in map(json.loads, log.read_text().splitlines())}
    excused = accepted()
    judged = []
    with tempfile.TemporaryDirectory(prefix="mutants") as scratch, log.open("a") as results:
        judge = Judge(Builder(), scratch)
        order = sample(seed)
        ready = set()

        def decide(mutant):
            path = mutant["path"]
            line, text = ("".join(mutant[key].split()) for key in ("line", "mutant"))
            if (path, line, text) in excused or (path, line, "*") in excused:
                return "accepted"
            key = key_of(mutant)
            if key not in known:
                known[key] = judge.judge(mutant)
                results.write(json.dumps({"key": key, "result": known[key], **mutant}) + "\n")
                results.flush()
            return known[key]

        at = 0
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            while at < len(order):
                counted = sum(result in ("killed", "hung", "survived") for _, result in judged)
                if counted >= arguments.count:
                    break
                some = order[at : at + min(4 * arguments.jobs, max(1, arguments.count - counted))]
                at += len(some)
                for mutant in some:
                    if key_of(mutant) not in known and mutant["path"] not in ready:
                        judge.prepare(mutant["part"], mutant["path"])
                        ready.add(mutant["path"])
                judged += zip(some, pool.map(decide, some), strict=True)
                print(f"mutants: {counted} of {arguments.count} judged", flush=True)
    print(f"seed {seed}, {len(order)} mutants in all")
    sys.exit(report(judged, arguments.killed))


if __name__ == "__main__":
    main()
