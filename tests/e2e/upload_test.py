# SPDX-License-Identifier: Apache-2.0
"""UploadVideo: whole, resumed, wrong."""

import hashlib
import threading

import grpc
import pytest

import clips
import servers
from stubs import pb

CHUNK = 100_000


def messages(data, sha256="", upload_id="", offset=0, total=0, last=True):
    yield pb.UploadVideoRequest(
        open=pb.UploadVideoRequest.Open(upload_id=upload_id, sha256=sha256, offset=offset, total_bytes=total)
    )
    for begin in range(0, len(data), CHUNK):
        piece = data[begin : begin + CHUNK]
        is_last = last and begin + CHUNK >= len(data)
        yield pb.UploadVideoRequest(chunk=pb.UploadVideoRequest.Chunk(data=piece, last=is_last))


def upload(stub, *args, **kwargs):
    return stub.UploadVideo(messages(*args, **kwargs), timeout=20)


def failure(stub, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        upload(stub, *args, **kwargs)
    return caught.value


@pytest.fixture(scope="module")
def data():
    return clips.BIKES.read_bytes()


@pytest.fixture(scope="module")
def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_upload_and_analyze(stub, data, digest):
    answer = upload(stub, data, sha256=digest, total=len(data))
    assert answer.complete
    assert answer.committed_bytes == len(data)
    assert answer.expire_time.seconds > 0
    response = stub.Analyze(pb.AnalyzeRequest(upload_id=answer.upload_id, analyzers=["cut_analysis"]), timeout=60)
    assert response.video.frame_count == clips.BIKES_FRAMES


def test_resume_by_offset(stub, data, digest):
    half = len(data) // 2
    first = upload(stub, data[:half], sha256=digest, total=len(data), last=False)
    assert not first.complete
    assert first.committed_bytes == half
    query = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(upload_id=first.upload_id, query_only=True))
    assert stub.UploadVideo(iter([query]), timeout=10).committed_bytes == half
    rest = upload(stub, data[half:], upload_id=first.upload_id, sha256=digest, total=len(data), offset=half)
    assert rest.complete
    assert rest.upload_id == first.upload_id
    response = stub.Analyze(pb.AnalyzeRequest(upload_id=rest.upload_id, analyzers=["color_analysis"]), timeout=60)
    assert response.results[0].status.code == 0


def test_wrong_hash(stub, data):
    error = failure(stub, data, sha256="0" * 64, total=len(data))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert servers.error_reason(error)[0] == "UPLOAD_HASH_MISMATCH"


def test_wrong_offset_names_the_right_one(stub, data):
    first = upload(stub, data[:1000], last=False)
    error = failure(stub, data[2000:], upload_id=first.upload_id, offset=2000)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    reason, metadata = servers.error_reason(error)
    assert reason == "UPLOAD_OFFSET_MISMATCH"
    assert metadata["committed_bytes"] == "1000"


def test_first_message_must_open(stub):
    chunk = pb.UploadVideoRequest(chunk=pb.UploadVideoRequest.Chunk(data=b"x", last=True))
    with pytest.raises(grpc.RpcError) as caught:
        stub.UploadVideo(iter([chunk]), timeout=10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_unknown_upload(stub):
    assert failure(stub, b"x", upload_id="no-such-upload").code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as caught:
        stub.Analyze(pb.AnalyzeRequest(upload_id="no-such-upload"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_unfinished_upload_cannot_be_analysed(stub, data):
    first = upload(stub, data[:1000], last=False)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Analyze(pb.AnalyzeRequest(upload_id=first.upload_id), timeout=10)
    assert servers.error_reason(caught.value)[0] == "UPLOAD_INCOMPLETE"


def test_quota(folder, lightweight, data):
    process = servers.start_orchestrator(
        folder,
        servers.endpoint("lightweight", lightweight.address),
        extra="uploads { quota_bytes: 50000 }\n",
        name="small_quota",
    )
    try:
        error = failure(servers.connect(process.address), data, total=len(data))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert servers.error_reason(error)[0] == "UPLOAD_QUOTA"
    finally:
        process.stop()


def is_busy(stub, opening, upload_id):
    try:
        stub.UploadVideo(iter([opening]), timeout=30)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ABORTED:
            raise
        reason, metadata = servers.error_reason(error)
        assert (reason, dict(metadata)) == ("UPLOAD_BUSY", {"upload_id": upload_id})
        return True
    return False


def test_an_upload_has_one_writer(stub):
    created = stub.UploadVideo(iter([pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open())]), timeout=30)
    opening = pb.UploadVideoRequest(open=pb.UploadVideoRequest.Open(upload_id=created.upload_id))
    done = threading.Event()

    def held():
        yield opening
        done.wait(40)

    first = stub.UploadVideo.future(held(), timeout=60)
    servers.wait_until(lambda: is_busy(stub, opening, created.upload_id), seconds=20)
    done.set()
    assert first.result().upload_id == created.upload_id
