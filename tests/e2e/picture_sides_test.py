# SPDX-License-Identifier: Apache-2.0
"""Pictures with extreme sides, of every codec and container that can hold them: refused with the side named, or
analysed like any other. And memory that runs short while a large one is decoded."""

import json
import subprocess

import grpc
import pytest

import clips
import servers
from stubs import pb

MOST = 16384
TOO_LARGE = "VIDEO_TOO_LARGE"

PNG = ("-c:v", "png", "-pix_fmt")
JPEG = ("-c:v", "mjpeg", "-pix_fmt")
FFV1 = ("-c:v", "ffv1", "-pix_fmt")
VP9 = ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-pix_fmt", "yuv420p")
AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p")

# Name, width, height, suffix, codec, and the side that is refused; None: it is analysed.
CASES = [
    ("gray_png_tall", 1004, 33001, ".mkv", (*PNG, "gray"), "height of 33001"),
    ("gray_png_wide", 33001, 1004, ".mkv", (*PNG, "gray"), "width of 33001"),
    ("rgb_png_tall", 64, 32768, ".mov", (*PNG, "rgb24"), "height of 32768"),
    ("rgb_png_longest", 16, 65535, ".mkv", (*PNG, "rgb24"), "height of 65535"),
    ("deep_png_wide", 40000, 16, ".mkv", (*PNG, "rgb48be"), "width of 40000"),
    ("gray16_png_tall", 16, 40000, ".avi", (*PNG, "gray16be"), "height of 40000"),
    ("mjpeg_tall", 64, 65500, ".avi", (*JPEG, "yuvj420p"), "height of 65500"),
    ("mjpeg_wide", 65500, 64, ".mkv", (*JPEG, "yuvj444p"), "width of 65500"),
    ("ffv1_tall", 64, 32768, ".mkv", (*FFV1, "yuv420p"), "height of 32768"),
    ("ffv1_deep_wide", 32769, 64, ".mkv", (*FFV1, "yuv444p10le"), "width of 32769"),
    ("raw_tall", 16, 33000, ".avi", ("-c:v", "rawvideo", "-pix_fmt", "yuv420p"), "height of 33000"),
    ("y4m_wide", 40000, 16, ".y4m", ("-pix_fmt", "yuv444p"), "width of 40000"),
    ("av1_in_ivf", 20000, 64, ".ivf", AV1, "width of 20000"),
    ("av1_tall", 64, 20000, ".mkv", AV1, "height of 20000"),
    ("av1_wide", 33000, 64, ".mp4", AV1, "width of 33000"),
    ("h264_stretched", 1100, 64, ".mp4", ("-vf", "setsar=15/1", *H264), "width of 16500"),
    ("h264_stretched_mkv", 1920, 1080, ".mkv", ("-vf", "setsar=16/1", *H264), "width of 30720"),
    ("one_pixel_wide", 1, 16000, ".mkv", (*PNG, "gray"), None),
    ("one_pixel_high", 16000, 1, ".mkv", (*PNG, "rgb24"), None),
    ("png_tallest", 64, MOST, ".mkv", (*PNG, "gray"), None),
    ("png_deep_widest", MOST, 18, ".mkv", (*PNG, "rgb48be"), None),
    ("mjpeg_tallest", 48, MOST, ".avi", (*JPEG, "yuvj422p"), None),
    ("ffv1_odd", 17, MOST - 1, ".mkv", (*FFV1, "yuv420p10le"), None),
    ("h264_tallest", 64, MOST, ".mp4", H264, None),
    ("h264_widest", MOST, 64, ".mkv", H264, None),
    ("hevc_wide", 8192, 64, ".mp4", HEVC, None),
    ("vp9_tallest", 64, MOST, ".webm", VP9, None),
    ("av1_widest", MOST, 64, ".mkv", AV1, None),
    ("squeezed", 640, 480, ".mp4", ("-vf", "setsar=1/16", *H264), None),
    ("nonsense_aspect", 640, 480, ".mp4", ("-vf", "setsar=1/1000", *H264), None),
]


@pytest.fixture(scope="module")
def extreme(folder):
    def make(width, height, suffix, codec):
        path = folder / f"extreme_{width}x{height}_{abs(hash((suffix, codec)))}{suffix}"
        if not path.exists():
            # The source itself makes no picture with a side of 1.
            source = f"color=white:size=64x64:rate=25,scale={width}:{height}"
            clips.ffmpeg("-f", "lavfi", "-i", source, "-frames:v", "2", *codec, path)
        return path

    return make


def check_analysed(response, case):
    assert response.video.frame_count == 2, case
    assert [result.status.code for result in response.results] == [0] * len(servers.BUILT_IN), case
    colors = next(result.color_analysis for result in response.results if result.analyzer == "color_analysis")
    assert colors.brightness > 0.97, "white is white at any size"


def check_refused(error, side):
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert servers.error_reason(error)[0] == TOO_LARGE
    assert f"{side} pixels is over {MOST}" in error.details() or "pixels (limits.max_frame_pixels" in error.details()
    assert "scale the video down" in error.details()


@pytest.mark.parametrize(
    ("width", "height", "suffix", "codec", "side"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_extreme_sides(stub, extreme, width, height, suffix, codec, side):
    path = extreme(width, height, suffix, codec)
    for source in ({"uri": str(path)}, {"content": path.read_bytes()}):
        request = pb.AnalyzeRequest(analyzers=servers.BUILT_IN, **source)
        if side is None:
            check_analysed(stub.Analyze(request, timeout=60), path.name)
            continue
        with pytest.raises(grpc.RpcError) as caught:
            stub.Analyze(request, timeout=60)
        check_refused(caught.value, side)


def analyze(path, *flags, address_space=None):
    """The embedded program's exit status, its answer or None, and what it said."""
    command = [servers.program("reelsight"), "analyze", path, "--format", "json", "--output", "-", *flags]
    # By a program: what Python runs between fork and exec meets gRPC's threads, which abort the child now and then.
    limit = [] if address_space is None else ["prlimit", f"--as={address_space}"]
    done = subprocess.run([*limit, *command], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else None, done.stderr


def test_the_embedded_program_refuses_too(extreme):
    for width, height in ((1004, 33001), (33001, 1004)):
        status, _, said = analyze(extreme(width, height, ".mkv", (*PNG, "gray")), "--analyzers", "color_analysis")
        assert status == 1, said
        assert TOO_LARGE in said
        assert "33001 pixels is over 16384" in said
    status, answer, _ = analyze(extreme(1, 16000, ".mkv", (*PNG, "gray")), "--analyzers", "cut_analysis,color_analysis")
    assert status == 0
    assert answer["video"]["frameCount"] == "2"


@pytest.fixture(scope="module")
def large(folder):
    """8K, 40 frames."""
    path = folder / "8k.mp4"
    if not path.exists():
        clips.ffmpeg(
            "-f", "lavfi", "-i", "testsrc2=size=7680x4320:rate=25", "-frames:v", "40", "-crf", "40", *H264, path
        )
    return path


# From too little to start with up to enough.
@pytest.mark.parametrize("megabytes", [600, 750, 900, 1050, 1200, 1400, 1700, 4000])
def test_short_memory_is_told_and_never_a_shorter_answer(large, megabytes):
    flags = ("--analyzers", "color_analysis,camera_analysis")
    status, answer, said = analyze(large, *flags, address_space=megabytes * 1000 * 1000)
    if status == 0:
        assert answer["video"]["frameCount"] == "40"
        assert answer["video"].get("decodeErrors", "0") == "0"
        return
    assert status == 1, said
    assert "RESOURCE_EXHAUSTED" in said or "OUT_OF_MEMORY" in said, said
    assert megabytes < 4000, "that much is enough"
