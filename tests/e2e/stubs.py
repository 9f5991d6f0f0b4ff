# SPDX-License-Identifier: Apache-2.0
"""Python code of the protos, made when the tests start, so that it is never older than they are."""

import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]


def generate(folder):
    """Writes modules for all protos of ours into `folder`."""
    protos = ROOT / "protos"
    files = sorted(str(path) for path in protos.rglob("*.proto"))
    include = resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{protos}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main([*arguments, *files]) != 0:
        raise RuntimeError("protoc failed")


# Lives as long as the interpreter.
_folder = tempfile.TemporaryDirectory(prefix="reelsight-stubs-")
FOLDER = _folder.name
generate(FOLDER)
sys.path.insert(0, FOLDER)

from reelsight.analyzer.v1 import analyzer_service_pb2 as analyzer_pb  # noqa: E402
from reelsight.analyzer.v1 import analyzer_service_pb2_grpc as analyzer_rpc  # noqa: E402
from reelsight.config.v1 import model_catalog_pb2 as catalog_pb  # noqa: E402
from reelsight.v1 import video_analysis_service_pb2 as pb  # noqa: E402
from reelsight.v1 import video_analysis_service_pb2_grpc as rpc  # noqa: E402

__all__ = ["FOLDER", "ROOT", "analyzer_pb", "analyzer_rpc", "catalog_pb", "pb", "rpc"]
