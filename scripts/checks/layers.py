# SPDX-License-Identifier: Apache-2.0
"""Fails for an include that points up the layers: base -> analysis -> rpc -> orchestrator, services -> cli.

Fails too where internal messages meet public ones."""

import re

import tree

# What the orchestrator may know: no engine, no model.
ORCHESTRATED = [
    "shared/base",
    "shared/concurrency",
    "shared/digest",
    "shared/analysis",
    "shared/telemetry",
    "shared/process",
    "shared/rpc",
]
# What analyzers of all services build on; services do not know each other.
SHARED_BY_SERVICES = [
    "shared",
    "services/frame_payload",
    "services/model_analyzer",
    "services/tracking",
    "services/tracked_summary",
]
# Folder -> folders of ours that its files may include, besides itself and the folders below it.
LAYERS = {
    "shared/base": [],
    "shared/batching": ["shared/base"],
    "shared/cache": ["shared/base"],
    "shared/concurrency": ["shared/base"],
    "shared/digest": [],
    "shared/generation": ["shared/base"],
    "shared/analysis": ["shared/base", "shared/concurrency"],
    "shared/telemetry": ["shared/base", "shared/concurrency"],
    "shared/process": ["shared/base", "shared/concurrency", "shared/telemetry"],
    "shared/model_store": ["shared/base", "shared/digest", "shared/telemetry", "shared/process"],
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
    "services/frame_payload": ["shared/base"],
    "services/model_analyzer": ["shared"],
    "services/tracking": ["shared/inference"],
    "services/tracked_summary": ["shared", "services/tracking"],
    **{f"services/{service}": SHARED_BY_SERVICES for service in ("detection", "lightweight", "segmentation")},
    "services": ["shared"],
    "cli": ["shared", "orchestrator", "services"],
    "tests": ["shared", "orchestrator", "services", "cli"],
    "protos": [],
}
# std + absl only, so that ThreadSanitizer can run on them: Debian's gRPC and FFmpeg are not built for it.
PLAIN = ["shared/base", "shared/batching", "shared/cache", "shared/concurrency", "shared/generation"]
FOREIGN = re.compile(r"^(grpc|google/|reelsight/|opencv2/|libav|libsw|torch/|ATen/|curl/|prometheus/)")
# Messages that no caller sees: only analyzers use them, and they share none with the public packages.
INTERNAL = "reelsight/payload/"
IMPORT = re.compile(r'^import "([^"]+)";', re.MULTILINE)
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
        elif include.startswith(INTERNAL) and not path.startswith("services/"):
            complaints.append(f"{path}: only services may include {include}")
for path in tree.files("*.proto"):
    for imported in IMPORT.findall(tree.read(path)):
        if imported.startswith("reelsight/") and imported.startswith(INTERNAL) != (INTERNAL in path):
            complaints.append(f"{path}: imports {imported}; internal and public packages share no messages")
tree.finish(complaints)
