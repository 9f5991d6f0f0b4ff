# SPDX-License-Identifier: Apache-2.0
"""Fails for an include that points up the layers: base -> analysis -> rpc -> orchestrator, services -> cli."""

import re

import tree

# What the orchestrator may know: no engine, no model.
ORCHESTRATED = [
    "shared/base",
    "shared/concurrency",
    "shared/analysis",
    "shared/telemetry",
    "shared/process",
    "shared/rpc",
]
# Folder -> folders of ours that its files may include, besides itself and the folders below it.
LAYERS = {
    "shared/base": [],
    "shared/batching": ["shared/base"],
    "shared/cache": ["shared/base"],
    "shared/concurrency": ["shared/base"],
    "shared/generation": ["shared/base"],
    "shared/analysis": ["shared/base", "shared/concurrency"],
    "shared/telemetry": ["shared/base", "shared/concurrency"],
    "shared/process": ["shared/base", "shared/telemetry"],
    "shared/model_store": ["shared/base", "shared/telemetry", "shared/process"],
    "shared/inference": [
        "shared/base",
        "shared/batching",
        "shared/cache",
        "shared/concurrency",
        "shared/analysis",
        "shared/telemetry",
        "shared/process",
        "shared/model_store",
    ],
    "shared/rpc": ["shared/base", "shared/concurrency", "shared/analysis", "shared/telemetry", "shared/process"],
    "shared/service": [
        "shared/base",
        "shared/concurrency",
        "shared/analysis",
        "shared/telemetry",
        "shared/process",
        "shared/model_store",
        "shared/inference",
        "shared/rpc",
    ],
    "shared/testing": ["shared"],
    "orchestrator/source": ORCHESTRATED,
    "orchestrator/decode": [*ORCHESTRATED, "orchestrator/source", "orchestrator/plan"],
    "orchestrator/plan": ORCHESTRATED,
    "orchestrator/fanout": [*ORCHESTRATED, "orchestrator/plan", "orchestrator/decode"],
    "orchestrator/merge": [*ORCHESTRATED, "orchestrator/plan", "orchestrator/fanout"],
    "orchestrator": ORCHESTRATED,
    "services": ["shared"],
    "cli": ["shared", "orchestrator", "services"],
    "tests": ["shared", "orchestrator", "services", "cli"],
    "protos": [],
}
# std + absl only, so that ThreadSanitizer can run on them: Debian's gRPC and FFmpeg are not built for it.
PLAIN = ["shared/base", "shared/batching", "shared/cache", "shared/concurrency", "shared/generation"]
FOREIGN = re.compile(r"^(grpc|google/|reelsight/|opencv2/|libav|libsw|torch/|ATen/|curl/|prometheus/|spdlog/)")
INCLUDE = re.compile(r'^\s*#include\s+[<"]([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    return max((layer for layer in LAYERS if path.startswith(layer + "/")), key=len, default=None)


def below(path, folders):
    return any(path.startswith(folder + "/") for folder in folders)


complaints = []
for path in tree.files("*.cc", "*.h"):
    layer = layer_of(path)
    if layer is None:
        complaints.append(f"{path}: in no layer of scripts/checks/layers.py")
        continue
    is_test = path.endswith(("_test.cc", "_test_support.cc", "_test_support.h", "_benchmark.cc", "_fuzz.cc"))
    for include in INCLUDE.findall(tree.read(path)):
        if below(include, PLAIN + list(LAYERS)):
            allowed = [layer, *LAYERS[layer]] + (["shared/testing"] if is_test else [])
            if not below(include, allowed):
                complaints.append(f"{path}: includes {include}, which {layer} may not")
            elif below(include, ["shared/testing"]) and not is_test and layer != "shared/testing":
                complaints.append(f"{path}: includes {include} outside a test")
        elif layer in PLAIN and FOREIGN.match(include):
            complaints.append(f"{path}: {layer} is std + absl only, but includes {include}")
        elif include.startswith("libav") and layer != "orchestrator/decode":
            complaints.append(f"{path}: only orchestrator/decode may include {include}")
tree.finish(complaints)
