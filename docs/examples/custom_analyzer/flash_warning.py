# SPDX-License-Identifier: Apache-2.0
"""A custom analyzer: warns of flashing pictures, which can harm viewers with photosensitive epilepsy.

It implements reelsight.analyzer.v1.AnalyzerService. The orchestrator needs no change: the address goes into its
configuration, and the result reaches the caller as a google.protobuf.Struct in `AnalyzerResult.custom`.
"""

import argparse
import struct
from concurrent import futures

import grpc
from google.protobuf.struct_pb2 import Struct
from reelsight.analyzer.v1 import analyzer_service_pb2 as pb
from reelsight.analyzer.v1 import analyzer_service_pb2_grpc as rpc

NAME = "flash_warning"
DEFAULT_STEP = 20.0  # Change of mean luma, of 255, between two frames that counts as one half of a flash.


class FlashWarning(rpc.AnalyzerServiceServicer):
    def Describe(self, request, context):
        analyzer = pb.AnalyzerDescription(
            name=NAME,
            description="Flashes a second; more than three are a hazard",
            frame_spec=pb.FrameSpec(format=pb.PIXEL_FORMAT_GRAY8, max_side_px=64),
            sampling=pb.Sampling(sample_fps=0),  # Every frame: a flash is short.
            batch_frames=64,
            available=True,
        )
        return pb.DescribeResponse(service="flash_warning", analyzers=[analyzer], version="1", parallelism=4)

    # Any batch, in any order, on any replica: what a frame alone tells. The payload is read by Summarize only.
    def AnalyzeFrames(self, request, context):
        frames = {frame.index: frame for frame in request.frames}
        response = pb.AnalyzeFramesResponse()
        for work in request.work:
            results = response.results.add(analyzer=work.analyzer).results
            for index in work.target_indexes:
                frame = frames[index]
                mean = sum(frame.data) / max(1, len(frame.data))
                results.add(index=index, offset=frame.offset, payload=struct.pack("<d", mean))
        return response

    # All frames of the video, by index: what needs their order.
    def Summarize(self, request, context):
        options = Struct()
        request.options.Unpack(options)
        step = options.fields["step"].number_value if "step" in options.fields else DEFAULT_STEP
        if not 1 <= step <= 255:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "options.step: must be in [1, 255]")
        lumas = [struct.unpack("<d", result.payload)[0] for result in request.results]
        times = [result.offset.ToNanoseconds() / 1e9 for result in request.results]
        rises = [times[i] for i in range(1, len(lumas)) if lumas[i] - lumas[i - 1] >= step]
        peak = max((sum(t <= other < t + 1 for other in rises) for t in rises), default=0)

        response = pb.SummarizeResponse(headline=f"{len(rises)} flashes, at most {peak} in a second")
        response.custom.update({"flashes": len(rises), "most_in_a_second": peak, "hazard": peak > 3})
        for time in rises:
            entry = response.timeline.add(label="flash", score=1)
            entry.start_offset.FromNanoseconds(round(time * 1e9))
            entry.end_offset.CopyFrom(entry.start_offset)
        response.model.name = "mean luma"
        response.model.version = "1"
        response.model.license = "Apache-2.0"
        return response


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:7101", help="host:port; port 0 takes a free one")
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 << 20)])
    rpc.add_AnalyzerServiceServicer_to_server(FlashWarning(), server)
    port = server.add_insecure_port(parser.parse_args().listen)
    server.start()
    print(f"listening on port {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
