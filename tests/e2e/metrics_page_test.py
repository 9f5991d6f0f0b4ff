# SPDX-License-Identifier: Apache-2.0
"""Each program exports the groups of metrics that docs/metrics.md says it has, and no other."""

import re
import urllib.request

import pytest

import servers
from stubs import ROOT

# Words of a heading -> programs whose metrics stand below it.
SERVICES = {"lightweight", "detection", "segmentation"}
GROUPS = {
    "gRPC calls: every program": {*SERVICES, "orchestrator", "serve"},
    "Analyzers: every analyzer service, and `reelsight serve`": {*SERVICES, "serve"},
    "Models: every analyzer service with models, and `reelsight serve`": {*SERVICES, "serve"},
    "Runs: the orchestrator, and `reelsight serve`": {"orchestrator", "serve"},
    "The process: every program": {*SERVICES, "orchestrator", "serve"},
}


def documented(program):
    """Names of the metrics that the page says the program has."""
    names = set()
    group = None
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif (row := re.match(r"\| `((?:reelsight|exposer)_\w+)` \|", line)) and program in GROUPS[group]:
            names.add(row[1])
    assert len(names) > 5
    return names


def exported(process):
    with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=10) as page:
        return set(re.findall(r"^# TYPE (\w+) ", page.read().decode(), re.MULTILINE))


@pytest.mark.parametrize("program", ["orchestrator", "serve", *sorted(SERVICES)])
def test_a_programs_page_has_the_groups_that_are_documented(program, folder, lightweight, orchestrator, request):
    if program == "serve":
        process = servers.start_embedded(folder)
        request.addfinalizer(process.stop)
    elif program in ("orchestrator", "lightweight"):
        process = {"orchestrator": orchestrator, "lightweight": lightweight}[program]
    else:
        process = servers.start_service(f"reelsight-{program}", servers.server_text(), folder, f"metrics_{program}")
        request.addfinalizer(process.stop)
    assert exported(process) == documented(program)
