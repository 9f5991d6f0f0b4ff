# SPDX-License-Identifier: Apache-2.0
"""cmake/TargetLayers.cmake stops the configure step where a target reaches what it may not, and only there."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(layers LANGUAGES NONE)
include({root}/cmake/TargetLayers.cmake)
foreach(name engine models rpc lone)
  add_library(x_${{name}} INTERFACE)
  add_library(x::${{name}} ALIAS x_${{name}})
endforeach()
target_link_libraries(x_models INTERFACE x::engine)
{links}
reelsight_forbid({rule})
"""


def configure(folder, links, rule):
    """What CMake says of four targets, of which models links engine, with more links and a rule; empty: all is well."""
    (folder / "CMakeLists.txt").write_text(PROJECT.format(root=ROOT, links=links, rule=rule))
    done = subprocess.run(
        ["cmake", "-S", folder, "-B", folder / "build"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode == 0) == ("CMake Error" not in done.stderr)
    return "" if done.returncode == 0 else " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("links", "rule", "told"),
    [
        ("", "x::rpc REACHES x::engine", ""),
        ("target_link_libraries(x_lone INTERFACE x::rpc)", "x::rpc REACHES x::lone x::engine", ""),
        (
            "target_link_libraries(x_rpc INTERFACE x::engine)",
            "x::lone x::rpc REACHES x::engine",
            "x::rpc may not reach x::engine: x::rpc -> x::engine",
        ),
        (
            "target_link_libraries(x_rpc INTERFACE x::models)",
            "x::rpc REACHES x::engine",
            "x::rpc may not reach x::engine: x::rpc -> x::models -> x::engine",
        ),
        # Under the other name of the same target.
        (
            "target_link_libraries(x_rpc INTERFACE x_models)",
            "x_rpc REACHES x::models",
            "x_rpc may not reach x_models: x_rpc -> x_models",
        ),
        (
            "target_link_libraries(x_rpc INTERFACE $<LINK_ONLY:x::models>)",
            "x::rpc REACHES x::engine",
            "x::rpc -> x::models -> x::engine",
        ),
        # Two that link each other end the walk all the same.
        (
            "target_link_libraries(x_rpc INTERFACE x::lone)\ntarget_link_libraries(x_lone INTERFACE x::rpc)",
            "x::rpc REACHES x::engine",
            "",
        ),
        ("", "x::rpc REACHES x::gone", "there is no target x::gone"),
        ("", "x::gone REACHES x::engine", "there is no target x::gone"),
    ],
)
def test_what_a_target_may_not_reach(tmp_path, links, rule, told):
    found = configure(tmp_path, links, rule)
    assert told in found
    assert bool(told) == bool(found)
