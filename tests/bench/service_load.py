# SPDX-License-Identifier: Apache-2.0
"""A client that keeps an analyzer service busy with batches of real frames."""

import os
import subprocess
import threading
import time
from pathlib import Path

import grpc

from stubs import analyzer_pb

METHOD = "/reelsight.analyzer.v1.AnalyzerService/"


def read_frames(path, width, height, count):
    """The first `count` frames of a clip, RGB, 24 bits a pixel."""
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", str(path), "-frames:v", str(count)]
    command += ["-vf", f"scale={width}:{height}", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    size = width * height * 3
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]


def cpu_seconds(pid):
    """Processor time of a running process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Load:
    """Sends one prepared batch over and over, several at once, for one analyzer. The batch is serialized once, so that
    the client costs next to nothing."""

    def __init__(self, service, analyzer, path, cpus, in_flight, width=640, height=360):
        self.pid = service.pid
        self.in_flight = in_flight
        self.cpus = cpus
        self.size = f"{width}x{height}"
        limit = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(service.address, options=limit)
        describe = self.channel.unary_unary(
            METHOD + "Describe",
            request_serializer=analyzer_pb.DescribeRequest.SerializeToString,
            response_deserializer=analyzer_pb.DescribeResponse.FromString,
        )
        described = {one.name: one for one in describe(analyzer_pb.DescribeRequest(), timeout=60).analyzers}
        if not described[analyzer].available:
            raise RuntimeError(described[analyzer].unavailable_reason)
        # Batches as the orchestrator makes them, but no longer than a turn can be.
        self.batch_frames = min(described[analyzer].batch_frames or 32, 16)
        request = analyzer_pb.AnalyzeFramesRequest(request_id="bench")
        request.video.width_px, request.video.height_px, request.video.frame_rate = width, height, 25
        for index, data in enumerate(read_frames(path, width, height, self.batch_frames)):
            frame = request.frames.add(index=index, width_px=width, height_px=height, data=data)
            frame.format = analyzer_pb.PIXEL_FORMAT_RGB24
            frame.offset.FromMilliseconds(40 * index)
        request.work.add(analyzer=analyzer, target_indexes=[frame.index for frame in request.frames])
        self.message = request.SerializeToString()
        self.call = self.channel.unary_unary(
            METHOD + "AnalyzeFrames", response_deserializer=analyzer_pb.AnalyzeFramesResponse.FromString
        )

    def measure(self, seconds):
        """Frames answered a second, and the service's processor time for one frame in ms."""
        answers, errors = [], []
        begin = time.perf_counter()
        cpu_begin = cpu_seconds(self.pid)

        def work():
            os.sched_setaffinity(0, self.cpus)
            while time.perf_counter() < begin + seconds and not errors:
                response = self.call(self.message, timeout=300)
                if response.results[0].failure.code != 0:
                    errors.append(response.results[0].failure.message)
                answers.append((time.perf_counter(), len(response.results[0].results)))

        threads = [threading.Thread(target=work) for _ in range(self.in_flight)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise RuntimeError(errors[0])
        answers.sort()
        cpu = cpu_seconds(self.pid) - cpu_begin
        # From the first answer on: before it, all calls are under way and none is answered.
        return {
            "frames_per_second": sum(frames for _, frames in answers[1:]) / (answers[-1][0] - answers[0][0]),
            "cpu_ms": 1e3 * cpu / sum(frames for _, frames in answers),
        }
