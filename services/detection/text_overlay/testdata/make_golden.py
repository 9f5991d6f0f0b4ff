# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of this folder, with text, and what RapidOCR and EasyOCR themselves find in them.

Needs Python 3.11 with: rapidocr==3.10.0 onnxruntime==1.32.0 opencv-python-headless==5.0.0.93 pillow scipy, an unpacked
wheel of easyocr==1.7.2 (its functions are used without its torch), converted models (`reelsight models pull craft
crnn`), and the fonts of Debian's fonts-dejavu-core. Run:

    python services/detection/text_overlay/testdata/make_golden.py EASYOCR_FOLDER CRAFT_ONNX CRNN_ONNX

Each line of *.tsv: picture, confidence, eight coordinates in pixels (x y clockwise from the top left), text.
"""

import importlib
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR

HERE = Path(__file__).parent
FONTS = Path("/usr/share/fonts/truetype/dejavu")
ALPHABET = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def font(size, name="DejaVuSans.ttf"):
    return ImageFont.truetype(str(FONTS / name), size)


def background(width, height, seed):
    """A soft coloured pattern: edges that are no text."""
    rng = np.random.default_rng(seed)
    small = rng.integers(30, 150, (height // 40, width // 40, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def captions():
    """Upright, as a short video has them: a title, two lines of caption, a handle, small print."""
    picture = background(360, 640, 1)
    draw = ImageDraw.Draw(picture)
    draw.text((40, 80), "Morning routine", font=font(34), fill="white", stroke_width=2, stroke_fill="black")
    draw.text((60, 480), "wake up at 6:30 am", font=font(24), fill="white", stroke_width=2, stroke_fill="black")
    draw.text((60, 515), "and drink 2 glasses", font=font(24), fill="white", stroke_width=2, stroke_fill="black")
    draw.text((12, 12), "@some.one_42", font=font(15), fill="white")
    draw.text((200, 610), "5% off, T&Cs apply", font=font(13, "DejaVuSans-Bold.ttf"), fill="yellow")
    return picture


def turned():
    """Slanted, upright from bottom to top, and upside down."""
    picture = background(480, 400, 2)
    for text, angle, place, size in (
        ("SLANTED WORDS", 12, (60, 30), 30),
        ("UP THE WALL", 90, (400, 60), 28),
        ("HANDSTAND", 180, (120, 300), 36),
    ):
        face = font(size, "DejaVuSans-Bold.ttf")
        left, top, right, bottom = face.getbbox(text)
        layer = Image.new("L", (right - left + 8, bottom - top + 8), 0)
        ImageDraw.Draw(layer).text((4 - left, 4 - top), text, font=face, fill=255)
        layer = layer.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
        picture.paste(Image.new("RGB", layer.size, "white"), place, layer)
    return picture


def scripts():
    """Letters beyond ASCII, digits, and a long line."""
    picture = Image.new("RGB", (640, 240), (245, 240, 225))
    draw = ImageDraw.Draw(picture)
    draw.text((20, 20), "Crème brûlée 12,50 €", font=font(32), fill=(30, 30, 60))
    draw.text((20, 90), "Straße Año Nuevo", font=font(32), fill=(120, 20, 20))
    draw.text((16, 170), "The quick brown fox jumps over the lazy dog 0123456789", font=font(20), fill="black")
    return picture


def no_text():
    return background(320, 240, 3)


PICTURES = {"captions": captions, "turned": turned, "scripts": scripts, "no_text": no_text}


class EasyOcr:
    """EasyOCR's `readtext` with its own functions, its networks run by onnxruntime."""

    def __init__(self, folder, craft, crnn):
        for name in ("torch", "skimage", "skimage.io", "easyocr"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["skimage"].io = sys.modules["skimage.io"]
        # Its modules without its package, which imports torch.
        sys.modules["easyocr"].__path__ = [str(Path(folder) / "easyocr")]
        self.craft_utils, self.imgproc, self.utils = (
            importlib.import_module(f"easyocr.{name}") for name in ("craft_utils", "imgproc", "utils")
        )
        self.craft, self.crnn = onnxruntime.InferenceSession(craft), onnxruntime.InferenceSession(crnn)

    def __call__(self, rgb):
        resized, ratio, _ = self.imgproc.resize_aspect_ratio(rgb, 2560, interpolation=cv2.INTER_LINEAR, mag_ratio=1)
        maps = self.craft.run(None, {"image": self.imgproc.normalizeMeanVariance(resized).transpose(2, 0, 1)[None]})[0]
        boxes, polys, _ = self.craft_utils.getDetBoxes(maps[0, 0], maps[0, 1], 0.7, 0.4, 0.4, False)
        polys = self.craft_utils.adjustResultCoordinates(boxes, 1 / ratio, 1 / ratio)
        quads = [np.array(box).astype(np.int32).reshape(-1) for box in polys]
        horizontal, free = self.utils.group_text_box(quads, 0.1, 0.5, 0.5, 0.5, 0.1, True) if quads else ([], [])
        horizontal = [box for box in horizontal if max(box[1] - box[0], box[3] - box[2]) > 20]
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        lines = []
        for upright, slanted in [([box], []) for box in horizontal] + [([], [box]) for box in free]:
            images, width = self.utils.get_image_list(upright, slanted, grey, model_height=64)
            for quad, image in images:
                text, score = self.recognize(image, int(width))
                lines.append((score, np.array(quad).reshape(-1), text))
        return lines

    def recognize(self, grey, width):
        height_at_64 = min(width, int(np.ceil(64 * grey.shape[1] / grey.shape[0])))
        line = np.array(Image.fromarray(grey).resize((height_at_64, 64), Image.BICUBIC), np.float32) / 127.5 - 1
        line = np.concatenate([line, np.repeat(line[:, -1:], width - line.shape[1], axis=1)], axis=1)
        logits = self.crnn.run(None, {"image": line[None, None].astype(np.float32)})[0][0]
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        best, strength = chances.argmax(axis=1), chances.max(axis=1)
        text = "".join(ALPHABET[k - 1] for i, k in enumerate(best) if k != 0 and (i == 0 or best[i - 1] != k))
        strength = strength[best != 0]
        return text, float(strength.prod() ** (2.0 / np.sqrt(len(strength)))) if len(strength) else 0.0


def write(path, lines):
    with path.open("w", encoding="utf-8") as out:
        for picture, score, quad, text in lines:
            print(picture, f"{score:.5f}", *(f"{value:.1f}" for value in quad), text, sep="\t", file=out)


def main():
    # The size of the detector's input is ours; everything else is RapidOCR's default.
    rapid = RapidOCR(params={"Det.limit_type": "max", "Det.limit_side_len": 960, "Global.text_score": 0.0})
    easy = EasyOcr(*sys.argv[1:4])
    rapid_lines, easy_lines = [], []
    for name, draw in PICTURES.items():
        path = HERE / f"{name}.jpg"
        draw().save(path, quality=92)
        bgr = cv2.imread(str(path))
        found = rapid(bgr)
        if found.boxes is not None:
            for quad, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
                rapid_lines.append((name, score, np.array(quad).reshape(-1), text))
        easy_lines += [(name, *line) for line in easy(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))]
    write(HERE / "rapidocr.tsv", rapid_lines)
    write(HERE / "easyocr.tsv", easy_lines)


if __name__ == "__main__":
    main()
