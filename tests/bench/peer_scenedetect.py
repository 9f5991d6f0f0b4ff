# SPDX-License-Identifier: Apache-2.0
"""The peer: PySceneDetect's content detector over one clip. Runs in its own venv; prints its seconds, imports apart."""

import json
import sys
import time

import cv2
import scenedetect

cv2.setNumThreads(int(sys.argv[2]))
begin = time.perf_counter()
scenes = scenedetect.detect(sys.argv[1], scenedetect.ContentDetector())
json.dump(
    {"seconds": time.perf_counter() - begin, "scenes": len(scenes), "version": scenedetect.__version__}, sys.stdout
)
