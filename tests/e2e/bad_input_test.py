# SPDX-License-Identifier: Apache-2.0
"""Broken videos and broken requests: each gets a clear answer, at once, and the server goes on."""

import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from google.rpc import error_details_pb2

import clips
import servers
from stubs import pb

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def refusal(stub, request, timeout=20):
    """The error that `request` gets."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Analyze(request, timeout=timeout)
    assert len(caught.value.details()) > 10, "a message says what, which input, what to do"
    return caught.value


def reason(stub, request):
    error = refusal(stub, request)
    return error.code(), servers.error_reason(error)[0]


@pytest.fixture(autouse=True)
def still_works(stub, three_shots):
    """After each test the server still answers."""
    yield
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis"])
    assert stub.Analyze(request, timeout=30).results[0].status.code == 0


def test_empty_file(stub, folder):
    path = folder / "empty.mp4"
    path.write_bytes(b"")
    assert reason(stub, pb.AnalyzeRequest(uri=str(path))) == (INVALID, "SOURCE_EMPTY")


def test_empty_content(stub):
    code, _ = reason(stub, pb.AnalyzeRequest(content=b""))
    assert code == INVALID


def test_text_renamed_mp4(stub, folder):
    path = folder / "text.mp4"
    path.write_text("This is no video. " * 200)
    assert reason(stub, pb.AnalyzeRequest(uri=str(path))) == (INVALID, "SOURCE_NOT_VIDEO")


@pytest.fixture(scope="module")
def moov_last(folder):
    """Bikes with its index at the end of the file, as cameras write it."""
    path = folder / "moov_last.mp4"
    clips.ffmpeg("-i", clips.BIKES, "-c", "copy", "-map", "0:v", path)
    return path


@pytest.fixture(scope="module")
def moov_first(folder):
    """Bikes with its index at the start of the file, as servers offer it."""
    path = folder / "moov_first.mp4"
    clips.ffmpeg("-i", clips.BIKES, "-c", "copy", "-map", "0:v", "-movflags", "+faststart", path)
    return path


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_truncated_without_its_index_is_refused(stub, moov_last, percent):
    data = moov_last.read_bytes()
    code, why = reason(stub, pb.AnalyzeRequest(content=data[: len(data) * percent // 100], analyzers=servers.BUILT_IN))
    assert code == INVALID
    assert why in ("SOURCE_NOT_VIDEO", "SOURCE_TRUNCATED")


@pytest.mark.parametrize("percent", [10, 50, 90])
def test_truncated_behind_its_index_gives_what_is_there(stub, moov_first, percent):
    data = moov_first.read_bytes()
    request = pb.AnalyzeRequest(content=data[: len(data) * percent // 100], analyzers=servers.BUILT_IN)
    response = stub.Analyze(request, timeout=60)
    assert 0 < response.video.frame_count < clips.BIKES_FRAMES
    # The length is that of what could be decoded, not what the index promises.
    assert response.video.duration.ToNanoseconds() / 1e9 < clips.BIKES_SECONDS * (percent + 25) / 100
    assert all(result.status.code == 0 for result in response.results)


def test_audio_only(stub, folder):
    path = folder / "audio.m4a"
    clips.ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", path)
    assert reason(stub, pb.AnalyzeRequest(uri=str(path))) == (INVALID, "SOURCE_NOT_VIDEO")


def test_one_frame(stub, folder):
    path = folder / "one.mp4"
    clips.ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", "-pix_fmt", "yuv420p", path)
    response = stub.Analyze(pb.AnalyzeRequest(uri=str(path), analyzers=servers.BUILT_IN), timeout=30)
    assert response.video.frame_count == 1
    assert [result.status.code for result in response.results] == [0, 0, 0, 0]
    assert len(response.timeline.scenes) == 1


def test_huge_header_is_refused_before_decoding(stub, folder):
    # A small motion-JPEG file whose headers claim 16384x16384 pixels.
    path = folder / "huge.avi"
    clips.ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", "-c:v", "mjpeg", path)
    data = bytearray(path.read_bytes())
    size = struct.pack("<ii", 64, 64)
    huge = struct.pack("<ii", 16384, 16384)
    at = data.find(size, data.find(b"strf"))
    assert at > 0
    data = data.replace(size, huge)
    # The picture's own header too, big-endian height and width behind the JPEG marker.
    data = data.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", 16384, 16384))
    path.write_bytes(data)
    error = refusal(stub, pb.AnalyzeRequest(uri=str(path)), timeout=5)
    assert error.code() in (INVALID, grpc.StatusCode.FAILED_PRECONDITION)
    assert servers.error_reason(error)[0] == "VIDEO_TOO_LARGE"


def test_unknown_analyzer(stub, three_shots):
    error = refusal(stub, pb.AnalyzeRequest(uri=str(three_shots), analyzers=["colour_analysis"]))
    assert error.code() == INVALID
    assert servers.error_reason(error)[0] == "UNKNOWN_ANALYZER"
    assert "colour_analysis" in error.details()


def test_repeated_analyzer(stub, three_shots):
    code, _ = reason(stub, pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis", "cut_analysis"]))
    assert code == INVALID


def bad_field(error):
    """The field that the error names."""
    assert error.code() == INVALID
    violations = servers.error_detail(error, error_details_pb2.BadRequest)
    assert violations is not None
    return violations.field_violations[0].field


def test_no_source(stub):
    assert "source" in bad_field(refusal(stub, pb.AnalyzeRequest()))


def test_reversed_segment(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots))
    segment = request.segments.add()
    segment.start_offset.FromSeconds(2)
    segment.end_offset.FromSeconds(1)
    assert bad_field(refusal(stub, request)).startswith("segments")


def test_segment_behind_the_end(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"])
    segment = request.segments.add()
    segment.start_offset.FromSeconds(50)
    segment.end_offset.FromSeconds(51)
    assert bad_field(refusal(stub, request)).startswith("segments")


def test_overlapping_segments(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots))
    for start in (0, 1):
        segment = request.segments.add()
        segment.start_offset.FromSeconds(start)
        segment.end_offset.FromSeconds(start + 2)
    assert bad_field(refusal(stub, request)).startswith("segments")


def test_option_out_of_range_is_named_and_never_clipped(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["cut_analysis"])
    request.options.cut_analysis.sensitivity = 1.5
    assert bad_field(refusal(stub, request)) == "options.cut_analysis.sensitivity"


def test_option_of_an_analyzer_that_does_not_run(stub, three_shots):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["flash_warning"])
    request.options.cut_analysis.sensitivity = 0.5
    assert bad_field(refusal(stub, request)).startswith("options.cut_analysis")


@pytest.mark.parametrize("rate", [0.0, -1.0, 1000.0, float("nan")])
def test_sample_fps_out_of_range(stub, three_shots, rate):
    request = pb.AnalyzeRequest(uri=str(three_shots), analyzers=["color_analysis"])
    request.sample_fps["color_analysis"] = rate
    assert bad_field(refusal(stub, request)).startswith("sample_fps")


def test_missing_file(stub, folder):
    code, why = reason(stub, pb.AnalyzeRequest(uri=str(folder / "missing.mp4")))
    assert (code, why) == (grpc.StatusCode.NOT_FOUND, "SOURCE_NOT_FOUND")


def test_file_outside_the_roots(stub, folder, tmp_path, three_shots):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(three_shots.read_bytes())
    link = folder / "link.mp4"
    link.symlink_to(outside)
    for uri in (str(outside), f"{folder}/../{tmp_path.name}/outside.mp4", str(link), "file:///etc/passwd"):
        code, why = reason(stub, pb.AnalyzeRequest(uri=uri))
        assert (code, why) == (grpc.StatusCode.PERMISSION_DENIED, "SOURCE_FORBIDDEN"), uri


@pytest.mark.parametrize("uri", ["ftp://example.com/a.mp4", "concat:/etc/passwd", "data:video/mp4;base64,AA"])
def test_scheme_that_is_not_offered(stub, uri):
    code, _ = reason(stub, pb.AnalyzeRequest(uri=uri))
    assert code in (INVALID, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433"])
def test_http_to_this_machine_is_refused(stub, host):
    code, why = reason(stub, pb.AnalyzeRequest(uri=f"http://{host}:1/a.mp4"))
    assert (code, why) == (grpc.StatusCode.PERMISSION_DENIED, "SOURCE_FORBIDDEN")


def test_playlist_reaches_nothing(stub, folder, three_shots):
    path = folder / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{three_shots}\n#EXT-X-ENDLIST\n")
    code, _ = reason(stub, pb.AnalyzeRequest(uri=str(path)))
    assert code in (INVALID, grpc.StatusCode.FAILED_PRECONDITION)


class Pages(BaseHTTPRequestHandler):
    """A web page, a clip, and a way from the one to the other."""

    clip = b""

    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/clip.mp4")
            self.end_headers()
            return
        if self.path not in ("/page", "/clip.mp4"):
            self.send_error(404)
            return
        page = self.path == "/page"
        body = b"<!DOCTYPE html><html><body>Watch our video</body></html>" if page else self.clip
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if page else "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web(three_shots):
    Pages.clip = three_shots.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def open_stub(folder, lightweight):
    """An orchestrator that may connect to this machine."""
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("lightweight", lightweight.address),
        extra="sources { allow_private_addresses: true }\n",
        name="open_orchestrator",
    )
    yield servers.connect(process.address)
    process.stop()


def test_web_page_instead_of_a_video(open_stub, web):
    error = refusal(open_stub, pb.AnalyzeRequest(uri=f"{web}/page"))
    assert error.code() == INVALID
    assert servers.error_reason(error)[0] == "SOURCE_IS_WEB_PAGE"
    assert "web page" in error.details()


@pytest.mark.parametrize("path", ["clip.mp4", "redirect"])
def test_http_source(open_stub, web, path):
    response = open_stub.Analyze(pb.AnalyzeRequest(uri=f"{web}/{path}", analyzers=["cut_analysis"]), timeout=30)
    assert len(response.results[0].cut_analysis.transitions) == 2


def test_http_not_found(open_stub, web):
    code, why = reason(open_stub, pb.AnalyzeRequest(uri=f"{web}/nothing"))
    assert (code, why) == (grpc.StatusCode.NOT_FOUND, "SOURCE_NOT_FOUND")


def test_http_refused_connection(open_stub):
    code, why = reason(open_stub, pb.AnalyzeRequest(uri=f"http://127.0.0.1:{servers.free_port()}/a.mp4"))
    assert (code, why) == (grpc.StatusCode.UNAVAILABLE, "SOURCE_UNREACHABLE")


def test_message_over_the_limit(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Analyze(pb.AnalyzeRequest(content=bytes(64 << 20)), timeout=30)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(scope="module")
def tight_stub(folder, lightweight):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("lightweight", lightweight.address),
        extra="limits { max_duration_seconds: 2 max_source_bytes: 400000 }\n",
        name="tight_orchestrator",
    )
    yield servers.connect(process.address)
    process.stop()


def test_video_over_the_length_limit(tight_stub, folder):
    path = folder / "four_seconds.mp4"
    clips.ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:duration=4", path)
    error = refusal(tight_stub, pb.AnalyzeRequest(uri=str(path)))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert servers.error_reason(error)[0] == "VIDEO_TOO_LONG"


def test_file_over_the_size_limit(tight_stub):
    error = refusal(tight_stub, pb.AnalyzeRequest(uri=str(clips.BIKES)))
    assert servers.error_reason(error)[0] == "SOURCE_TOO_LARGE"
