# SPDX-License-Identifier: Apache-2.0
"""The checks of scripts/checks and the sum of scripts/summary.py fail where they must."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


@pytest.fixture
def repository(tmp_path):
    """A repository with nothing but the checks in it."""
    shutil.copytree(ROOT / "scripts/checks", tmp_path / "scripts/checks", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "Makefile").write_text("# SPDX-License-Identifier: Apache-2.0\ntest:\n")
    return tmp_path


def complaints(repository, check, **files):
    """What a check says of a repository with these files; `__` in a name stands for `/`, `_dot_` for `.`."""
    for name, text in files.items():
        path = repository / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "-C", repository, "add", "-A"], check=True)
    script = repository / f"scripts/checks/{check}.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()


def test_a_test_in_no_target(repository):
    files = {
        "a__x_test_dot_cc": "",
        "a__y_test_dot_cc": "",
        "a__CMakeLists_dot_txt": "reelsight_test(x SOURCES x_test.cc)",
    }
    assert complaints(repository, "listed_tests", **files) == ["a/y_test.cc: in no CMake target"]


def test_an_include_that_points_up(repository):
    files = {
        "shared__rpc__a_dot_cc": '#include "shared/base/status.h"\n#include "orchestrator/run.h"\n',
        "shared__base__b_dot_h": "#include <grpcpp/grpcpp.h>\n",
        "cli__c_dot_cc": '#include "orchestrator/run.h"\n#include "shared/testing/fake.h"\n',
        "services__d_dot_cc": "#include <libavcodec/avcodec.h>\n",
    }
    found = complaints(repository, "layers", **files)
    assert [line.split(":")[0] for line in found] == ["cli/c.cc", "services/d.cc", "shared/base/b.h", "shared/rpc/a.cc"]


def test_services_that_know_each_other(repository):
    files = {
        "services__detection__a_dot_cc": '#include "services/tracked_summary/tracked_summary.h"\n',
        "services__lightweight__b_dot_cc": '#include "services/detection/analyzers.h"\n',
        "services__frame_payload__c_dot_cc": '#include "services/tracking/byte_tracker.h"\n',
    }
    found = complaints(repository, "layers", **files)
    assert [line.split(":")[0] for line in found] == ["services/frame_payload/c.cc", "services/lightweight/b.cc"]


def test_internal_messages_stay_internal(repository):
    files = {
        "orchestrator__a_dot_cc": "#include <reelsight/payload/v1/payload.pb.h>\n",
        "services__detection__b_dot_cc": '#include "reelsight/payload/v1/payload.pb.h"\n',
        "protos__reelsight__payload__v1__c_dot_proto": 'import "reelsight/payload/v1/payload.proto";\n',
        "protos__reelsight__payload__v1__d_dot_proto": 'import "reelsight/v1/common.proto";\n',
        "protos__reelsight__v1__e_dot_proto": 'import "reelsight/payload/v1/payload.proto";\n',
    }
    found = complaints(repository, "layers", **files)
    assert [line.split(":")[0] for line in found] == [
        "orchestrator/a.cc",
        "protos/reelsight/payload/v1/d.proto",
        "protos/reelsight/v1/e.proto",
    ]


def test_a_file_in_no_layer(repository):
    assert len(complaints(repository, "layers", misc__a_dot_cc="")) == 1


@pytest.mark.parametrize(
    "use",
    [
        "absl::Now() - start",
        "std::chrono::system_clock::now()",
        "using C = std::chrono::high_resolution_clock;",
        "time(nullptr)",
        "::time(&now)",
        "std::time(0)",
        "gettimeofday(&tv, nullptr)",
        "clock_gettime(CLOCK_REALTIME, &ts)",
        "gpr_now(GPR_CLOCK_REALTIME)",
        "cv.WaitWithTimeout(&mu, d)",
        "fs::file_time_type::clock::now()",
    ],
)
def test_an_interval_on_the_wall_clock(repository, use):
    found = complaints(repository, "clocks", a_dot_cc=f"{use};\n", b_dot_cc=f"// {use}\nstage.time(); run.time(0);\n")
    assert [line.split(":")[0] for line in found] == ["a.cc"]


def test_more_wall_clock_than_allowed(repository):
    assert complaints(repository, "clocks", shared__telemetry__log_dot_cc="absl::Now()") == []
    assert len(complaints(repository, "clocks", shared__telemetry__log_dot_cc="absl::Now() - absl::Now()")) == 1
    # An entry that nothing needs any more goes.
    assert len(complaints(repository, "clocks", shared__telemetry__log_dot_cc="")) == 1


def test_a_file_without_spdx_line(repository):
    files = {"a_dot_cc": SPDX, "b_dot_cc": "int b;\n"}
    assert complaints(repository, "spdx", **files) == ["b.cc: no SPDX line"]


def test_a_broken_link(repository):
    text = (
        "[a](B.md) [b](B.md#some-title) [c](B.md#none) [d](gone.md) [e](https://example.com/x)\n```\n[f](x.md)\n```\n"
    )
    found = complaints(repository, "links", A_dot_md=text, B_dot_md="# Some Title\n")
    assert found == ["A.md: B.md#none has no such heading", "A.md: gone.md does not exist"]


def test_a_command_that_is_gone(repository):
    found = complaints(
        repository, "commands", A_dot_md="`make test` `make nothing` `scripts/gone` `build/dev/bin/gone`\n"
    )
    assert found == ["A.md: scripts/gone does not exist", "A.md: make nothing does not exist", "A.md: no program gone"]


def test_a_promise_without_a_test(repository):
    table = """# Security
| promise | bound | test |
|---|---|---|
| kept | 1 | `a/x_test.cc::XTest.Holds`, `a/x_test.cc::YTest.LongName`, `b/y_test.py::test_y` |
| renamed | 1 | `a/x_test.cc::XTest.Hold` |
| half kept | 1 | `b/y_test.py::test_y`, `b/y_test.py::test_` |
| moved | 1 | `b/x_test.cc::XTest.Holds` |
| unkept | none | |

After the table.
"""
    files = {
        "SECURITY_dot_md": table,
        "a__x_test_dot_cc": "TEST(XTest, Holds) {}\nTEST_F(YTest,\n       LongName) {}\n",
        "b__y_test_dot_py": "def test_y(stub):\n    pass\n",
    }
    assert complaints(repository, "promises", **files) == [
        "SECURITY.md: no test a/x_test.cc::XTest.Hold",
        "SECURITY.md: no test b/y_test.py::test_",
        "SECURITY.md: no test b/x_test.cc::XTest.Holds",
        "SECURITY.md: a row that is not `promise | bound | file::name`: | unkept | none | |",
    ]


def test_promises_without_their_table(repository):
    found = complaints(repository, "promises", SECURITY_dot_md="# Security\n")
    assert found == ["SECURITY.md: no table `promise | bound | test`"]


def test_a_plug_ins_version_follows_its_headers(tmp_path):
    """cmake/HeadersVersion.cmake: any change of any header is another version."""
    headers = [tmp_path / "a.h", tmp_path / "b.h"]

    def version(a, b):
        headers[0].write_text(a)
        headers[1].write_text(b)
        script = tmp_path / "version.cmake"
        paths = " ".join(str(header) for header in headers)
        script.write_text(
            f'include("{ROOT}/cmake/HeadersVersion.cmake")\nreelsight_headers_version(VERSION {paths})\n'
            'message(STATUS "${VERSION}")\n'
        )
        done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=True)
        return int(done.stdout.removeprefix("-- "), 16)

    first = version("int f(int);\n", "struct S {};\n")
    assert 0 <= first < 2**60
    assert version("int f(int);\n", "struct S {};\n") == first
    others = {version("int f(long);\n", "struct S {};\n"), version("int f(int);\n", "struct S { int x; };\n")}
    assert len(others | {first}) == 3


JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="skip"><skipped message="no device"/></testcase>
</testsuite></testsuites>"""


def summary(folder):
    command = [sys.executable, ROOT / "scripts/summary.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_summary_adds_up(tmp_path):
    (tmp_path / "a.xml").write_text(JUNIT)
    (tmp_path / "steps.tsv").write_text("passed\tbuild\nfailed\tformat\n")
    code, lines = summary(tmp_path)
    assert code == 1
    assert lines[1:] == ["failed: a bad", "failed: format", "skipped: 1 (no device)", "2 passed, 2 failed"]


def test_summary_of_success(tmp_path):
    (tmp_path / "steps.tsv").write_text("passed\tbuild\n")
    assert summary(tmp_path) == (0, ["", "1 passed, 0 failed"])


def test_summary_of_a_runner_cut_short(tmp_path):
    (tmp_path / "a.xml").write_text(JUNIT[:60])
    code, lines = summary(tmp_path)
    assert code == 1
    assert lines[-1] == "0 passed, 1 failed"


def test_summary_of_nothing_is_a_failure(tmp_path):
    assert summary(tmp_path)[0] == 1


def test_summary_misses_a_part_that_never_ran(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/steps.tsv").write_text("passed\tbuild\n")
    command = [sys.executable, ROOT / "scripts/summary.py", tmp_path / "test", tmp_path / "sanitize"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed")


@pytest.mark.parametrize("python", ["with", "without"])
@pytest.mark.parametrize("script", ["test", "sanitize", "parity"])
def test_a_failed_set_up_ends_the_run(tmp_path, script, python):
    """On a fresh machine there may be no Python yet; the last line is the plain one all the same."""
    (tmp_path / "scripts").mkdir()
    for name in (script, "step", "summary", "summary.py"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    setup = tmp_path / "scripts/setup"
    setup.write_text("#!/usr/bin/env bash\nexit 1\n")
    setup.chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ["bash", "env", "dirname", "mkdir", "rm"]:
        (tools / tool).symlink_to(shutil.which(tool))
    if python == "with":
        (tools / "python3").write_text(f'#!/usr/bin/env bash\nexec {sys.executable} "$@"\n')
        (tools / "python3").chmod(0o755)
    command = [tmp_path / "scripts" / script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": str(tools)})
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed"
    assert "configure" not in done.stdout
