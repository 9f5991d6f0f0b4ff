# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

import clips
import servers

MODELS = os.environ.get("REELSIGHT_MODELS", "")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Most tests here are about everything but models, and run without: what needs them takes the fixture `models`."""
    with pytest.MonkeyPatch.context() as patch:
        # This hook sees the tests of other folders too.
        if item.path.is_relative_to(Path(__file__).parent):
            patch.setenv("REELSIGHT_MODELS", "/nonexistent/reelsight-models")
            patch.setenv("REELSIGHT_OFFLINE", "1")
        return (yield)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where configurations, logs and generated clips lie. The servers may read files below it."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def lightweight(folder):
    process = servers.start_lightweight(folder)
    yield process
    assert process.stop() == 0, process.log()[-2000:]


@pytest.fixture(scope="session")
def flash_warning(folder):
    process = servers.start_flash_warning(folder)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def orchestrator(folder, lightweight, flash_warning):
    """The whole set: orchestrator, lightweight service, a custom analyzer in Python."""
    endpoints = servers.endpoint("lightweight", lightweight.address)
    endpoints += servers.endpoint("flash_warning", flash_warning.address)
    process = servers.start_orchestrator(folder, endpoints)
    yield process
    assert process.stop() == 0, process.log()[-2000:]


@pytest.fixture(scope="session")
def stub(orchestrator):
    return servers.connect(orchestrator.address)


@pytest.fixture(scope="session")
def three_shots(folder):
    """Three shots of one second each at 25 fps: cuts at 1 s and 2 s."""
    return clips.cuts(folder / "three_shots.mp4")


@pytest.fixture(scope="session")
def long_clip(folder):
    return clips.long_clip(folder / "long.mp4")


@pytest.fixture(scope="session")
def models():
    """Environment of a program that finds the installed models. Pulled before by scripts/test."""
    environment = {name: value for name, value in os.environ.items() if name != "REELSIGHT_MODELS"}
    if MODELS:
        environment["REELSIGHT_MODELS"] = MODELS
    return environment
