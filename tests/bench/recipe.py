# SPDX-License-Identifier: Apache-2.0
"""The reference recipe: each analyzer alone, one after the other, each decoding the clip for itself by OpenCV.

Same weights, same sampling rates and same sizes of pictures as ours, on ONNX Runtime or OpenVINO. It makes the frame
results; of what needs order it makes nothing (no tracks, events or scenes), which is in its favour.

Reads its configuration, one line of JSON, from standard input:
    {"backend": "onnxruntime", "half": [model...], "analyzers": {name: frames a second},
     "models": {name: {"path": ..., "family": ...}}}
then the path of a clip a line. Answers each clip with a line of JSON: seconds of each analyzer, and what was found.
Sessions are made when an analyzer first needs them, so the first clip is the cold one.
"""

import itertools
import json
import resource
import sys
import time

import cv2
import numpy as np

import recipe_models as models


def frames(path, fps, max_side_px=0):
    """Frames of a clip at `fps` a second by their times (0: all), BGR. A frame that is not wanted is not converted."""
    video = cv2.VideoCapture(path)
    native = video.get(cv2.CAP_PROP_FPS)
    index, next_sample = -1, 0
    while video.grab():
        index += 1
        if fps > 0:
            if index * fps < next_sample * native - 1e-6:
                continue
            while next_sample * native <= index * fps + 1e-6:
                next_sample += 1
        _, picture = video.retrieve()
        scale = max_side_px / max(picture.shape[:2]) if max_side_px else 1
        yield cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture


class Recipe:
    def __init__(self, configuration):
        self.configuration = configuration
        self.sessions = {}
        self.characters = {}

    def session(self, name):
        if name not in self.sessions:
            precision = "bf16" if name in self.configuration["half"] else "f32"
            path = self.configuration["models"][name]["path"]
            self.sessions[name] = models.Session(path, self.configuration["backend"], precision)
        return self.sessions[name]

    def family(self, name):
        return self.configuration["models"][name]["family"]

    def of_family(self, *families):
        """The first model of one of these families; None if there is none."""
        for family in families:
            for name, model in self.configuration["models"].items():
                if model["family"] == family:
                    return name
        return None

    def object_detection(self, path, fps):
        name = self.of_family(*models.DETECTORS)
        detect, session = models.DETECTORS[self.family(name)], self.session(name)
        return sum(len(detect(session, picture)) for picture in frames(path, fps, 640))

    def body_pose(self, path, fps):
        session = self.session(self.of_family("movenet_multipose"))
        return sum(len(models.find_poses(session, picture)) for picture in frames(path, fps, 640))

    def eye_tracking(self, path, fps):
        """One face detector, as MediaPipe's own graph has it; ours runs two."""
        detector = self.of_family("blazeface_full_range", "blazeface_short_range")
        mesh, iris = self.of_family("mediapipe_face_mesh"), self.of_family("mediapipe_iris")
        found = 0
        for picture in frames(path, fps, 960):
            for face in models.find_faces(self.session(detector), self.family(detector), picture):
                points, score = models.face_mesh(self.session(mesh), picture, face)
                if score < 0.5:
                    continue
                found += 1
                for eye in ("right", "left"):
                    models.iris(self.session(iris), picture, points, eye)
        return found

    def text_overlay(self, path, fps):
        detector, recognizer, classifier = map(self.of_family, ("ppocr_det", "ppocr_rec", "ppocr_cls"))
        if not self.characters:
            self.characters = models.characters(self.configuration["models"][recognizer]["path"])
        return sum(
            len(
                models.read_text(
                    self.session(detector), classifier and self.session(classifier), self.session(recognizer),
                    self.characters, picture,
                )
            )
            for picture in frames(path, fps, 960)
        )  # fmt: skip

    def background_segmentation(self, path, fps):
        name = self.of_family("rvm", "selfie")
        session = self.session(name)
        shares = [models.person_matte(session, self.family(name), picture).mean() for picture in frames(path, fps, 512)]
        return round(float(np.mean(shares)), 4)

    def cut_analysis(self, path, _fps):
        """TransNetV2 where its weights are, else PySceneDetect; ours runs its classical features beside the network."""
        name = self.of_family("transnetv2")
        if name is None:
            import scenedetect

            return max(0, len(scenedetect.detect(path, scenedetect.ContentDetector())) - 1)
        small = np.stack([cv2.resize(picture, (48, 27))[:, :, ::-1] for picture in frames(path, 0)])
        cuts = models.cut_probabilities(self.session(name), small) > 0.5
        return int((np.diff(cuts.astype(int), prepend=0) > 0).sum())

    def scene_segmentation(self, path, fps):
        """Histograms of hue and saturation, as the published shot groupers compare them."""
        histograms = [
            cv2.calcHist([cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)], [0, 1], None, [16, 16], [0, 180, 0, 256])
            for picture in frames(path, fps, 320)
        ]
        return sum(cv2.compareHist(a, b, cv2.HISTCMP_CORREL) < 0.5 for a, b in itertools.pairwise(histograms))

    def camera_analysis(self, path, fps):
        """Tracked corners and a similarity, as OpenCV's samples do it, between neighbours `fps` times a second."""
        moved, last, due = 0, None, 0
        native = cv2.VideoCapture(path).get(cv2.CAP_PROP_FPS)
        for index, picture in enumerate(frames(path, 0)):
            sampled = index * fps >= due * native - 1e-6
            if not sampled and last is None:
                continue
            grey = cv2.cvtColor(cv2.resize(picture, None, fx=0.35, fy=0.35), cv2.COLOR_BGR2GRAY)
            if last is not None:
                corners = cv2.goodFeaturesToTrack(last, 200, 0.01, 8)
                if corners is not None:
                    after, good, _ = cv2.calcOpticalFlowPyrLK(last, grey, corners, None)
                    if good.sum() >= 8:
                        cv2.estimateAffinePartial2D(corners[good == 1], after[good == 1])
                        moved += 1
            last = grey if sampled else None
            while due * native <= index * fps + 1e-6:
                due += 1
        return moved

    def color_analysis(self, path, fps):
        """Dominant colours by k-means in CIELAB, and the means."""
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 1.0)
        count = 0
        for picture in frames(path, fps, 160):
            lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float32)
            cv2.kmeans(lab, 5, None, stop, 1, cv2.KMEANS_PP_CENTERS)
            cv2.meanStdDev(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV))
            count += 1
        return count

    def run(self, path):
        seconds, found = {}, {}
        for name, fps in self.configuration["analyzers"].items():
            begin = time.perf_counter()
            found[name] = getattr(self, name)(path, fps)
            seconds[name] = time.perf_counter() - begin
        return {"seconds": seconds, "found": found}


def main():
    recipe = Recipe(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        answer = recipe.run(line.rstrip("\n"))
        answer["total"] = time.perf_counter() - begin
        answer["cpu_seconds"] = time.process_time() - cpu_begin
        answer["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
