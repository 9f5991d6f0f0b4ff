# SPDX-License-Identifier: Apache-2.0
"""Requests that are no messages of the API, as bytes: the answer says what is wrong."""

import grpc
import pytest

import servers
from stubs import pb

SERVICE = "/reelsight.v1.VideoAnalysisService/"
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def field(number, data):
    """A field that holds bytes."""
    size = len(data)
    length = bytearray()
    while size >= 128:
        length.append(size & 127 | 128)
        size >>= 7
    key = number << 3 | 2
    tag = bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])
    return tag + bytes([*length, size]) + data


OPTIONS = pb.AnalyzeRequest.DESCRIPTOR.fields_by_name["options"].number
URI = pb.AnalyzeRequest.DESCRIPTOR.fields_by_name["uri"].number
BAD = {
    "not UTF-8": (field(URI, b"/a\xff.mp4"), "INVALID_FIELD", {"field": "uri"}),
    "an analyzer's option": (
        field(OPTIONS, field(100, field(1, b"\xc3\x28"))),
        "INVALID_FIELD",
        {"field": "options.custom.key"},
    ),
    "cut off": (field(URI, b"/a.mp4")[:-1], "INVALID_MESSAGE", {}),
    "noise": (b"\xff" * 40, "INVALID_MESSAGE", {}),
}


def nested(depth):
    """With so many lists in an option, one in the other."""
    value = b""
    for _ in range(depth):
        value = field(6, field(1, value))
    struct = field(1, field(1, b"option") + field(2, value))
    return field(OPTIONS, field(100, field(1, b"mine") + field(2, struct)))


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    reason, metadata = servers.error_reason(error)
    return error.code(), reason, metadata


@pytest.mark.parametrize("method", ["Analyze", "AnalyzeStream"])
@pytest.mark.parametrize("name", [*BAD, "too deep", "far too deep"])
def test_a_malformed_request_is_told_what_is_wrong(orchestrator, method, name):
    if name in BAD:
        body, reason, metadata = BAD[name]
    else:
        body, reason = nested(100 if name == "too deep" else 50_000), "INVALID_MESSAGE"
        metadata = {"max_depth": "100"}
    with grpc.insecure_channel(orchestrator.address) as channel:
        if method == "Analyze":
            unary = channel.unary_unary(SERVICE + method)
            code, why, told = refused(lambda: unary(body, timeout=30))
        else:
            stream = channel.unary_stream(SERVICE + method)
            code, why, told = refused(lambda: list(stream(body, timeout=30)))
    assert (code, why) == (INVALID, reason)
    assert metadata.items() <= dict(told).items()


def test_a_malformed_message_of_an_upload_is_not_its_end(orchestrator, stub):
    opening = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(total_bytes=100)).SerializeToString()
    with grpc.insecure_channel(orchestrator.address) as channel:
        upload = channel.stream_unary(SERVICE + "UploadVideo")
        for bad in (b"\xff" * 40, field(1, field(1, b"\xff"))):
            for messages in ([bad], [opening, bad]):
                code, reason, _ = refused(lambda sent=messages: upload(iter(sent), timeout=30))
                assert code == INVALID
                assert reason in ("INVALID_MESSAGE", "INVALID_FIELD")


def test_list_analyzers_too(orchestrator):
    with grpc.insecure_channel(orchestrator.address) as channel:
        code, reason, _ = refused(lambda: channel.unary_unary(SERVICE + "ListAnalyzers")(b"\x0a\x7f", timeout=30))
    assert (code, reason) == (INVALID, "INVALID_MESSAGE")
