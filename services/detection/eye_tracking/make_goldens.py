#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes testdata/faces.txt: what MediaPipe's own Python run says of some pictures, for face_finder_test.cc.

    pip install mediapipe==0.10.21 ai-edge-litert
    python make_goldens.py iris_landmark.tflite PICTURE... > testdata/faces.txt

A picture is `carphone_pristine.mp4:SECONDS` or a still. Pictures are decoded by ffmpeg, in the test as well. Detectors
and mesh: mediapipe's solutions FaceDetection and FaceMesh (static, refine_landmarks=False). Irises: the .tflite file on
crops made here by OpenCV after the published graph. Places are in pixels.
"""

import math
import subprocess
import sys
from pathlib import Path

import cv2
import mediapipe as mp
import numpy as np
from ai_edge_litert.interpreter import Interpreter

IRIS_PX = 64
EYE_CORNERS = {"right": (33, 133), "left": (362, 263)}


def read_picture(name):
    path, _, seconds = name.partition(":")
    probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"]
    width, height = map(int, subprocess.check_output([*probe, path], text=True).strip().split(",")[:2])
    seek = ["-ss", seconds] if seconds else []
    command = ["ffmpeg", "-v", "error", *seek, "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.check_output(command)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def numbers(values):
    return " ".join(f"{value:.3f}" for value in np.asarray(values, float).ravel())


def print_detections(picture, range_number, name):
    height, width = picture.shape[:2]
    with mp.solutions.face_detection.FaceDetection(0.5, range_number) as detector:
        for detection in detector.process(picture).detections or []:
            box = detection.location_data.relative_bounding_box
            points = [(p.x * width, p.y * height) for p in detection.location_data.relative_keypoints]
            sides = [box.xmin * width, box.ymin * height]
            sides += [sides[0] + box.width * width, sides[1] + box.height * height]
            print(name, numbers([detection.score[0], *sides]), numbers(points))


def iris(interpreter, picture, mesh, eye):
    start, end = (mesh[corner, :2] for corner in EYE_CORNERS[eye])
    side = 2.3 * np.abs(end - start).max()
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    step = side / IRIS_PX
    mirror = -1 if eye == "left" else 1
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    to_picture = turn @ np.diag([mirror * step, step])
    origin = (start + end) / 2 - to_picture @ [IRIS_PX / 2, IRIS_PX / 2]
    # OpenCV counts pixels by their centres.
    shifted = origin + to_picture @ [0.5, 0.5] - 0.5
    crop = cv2.warpAffine(
        picture,
        np.c_[to_picture, shifted],
        (IRIS_PX, IRIS_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], crop[None].astype(np.float32) / 255)
    interpreter.invoke()
    outputs = {o["shape"].prod(): interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()}
    contour, center = outputs[213].reshape(71, 3)[:16, :2], outputs[15].reshape(5, 3)[:, :2]
    return [origin + points @ to_picture.T for points in (contour, center)]


def main():
    interpreter = Interpreter(sys.argv[1])
    interpreter.allocate_tensors()
    for name in sys.argv[2:]:
        picture = read_picture(name)
        height, width = picture.shape[:2]
        print("picture", Path(name).name)
        print_detections(picture, 0, "short_range")
        print_detections(picture, 1, "full_range")
        with mp.solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=4, refine_landmarks=False, min_detection_confidence=0.5
        ) as face_mesh:
            for face in face_mesh.process(picture).multi_face_landmarks or []:
                mesh = np.array([(p.x * width, p.y * height, p.z * width) for p in face.landmark])
                print("mesh", numbers(mesh))
                for eye in EYE_CORNERS:
                    for part, points in zip(("contour", "iris"), iris(interpreter, picture, mesh, eye), strict=True):
                        print(f"{eye}_{part}", numbers(points))


if __name__ == "__main__":
    main()
