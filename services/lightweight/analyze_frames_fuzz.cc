// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the body of AnalyzeFrames with the analyzers that need no weights: bytes as a request, and requests whose
// pictures have the bytes of their size. Each gets one result for each work, or a status that blames the caller.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "services/lightweight/fuzz_request.h"
#include "shared/analysis/proto_time.h"
#include "shared/rpc/batch_encoding.h"

namespace reelsight::lightweight {
namespace {

using Request = analyzer::v1::AnalyzeFramesRequest;

// Keeps single inputs fast.
constexpr int kMaxFrames = 6;
constexpr int64_t kMaxPixels = 1 << 15;
// What an analyzer may keep of a frame: few KiB, and never more than this.
constexpr size_t kMaxPayloadBytes = 256 << 10;

void Analyze(std::shared_ptr<const Request> request) {
  const absl::StatusOr<analysis::Batch> batch = rpc::DecodeBatch(std::move(request));
  if (!batch.ok()) return CheckBlame(batch.status());
  const auto response = FuzzedHost().AnalyzeFrames(*batch, CancelToken());
  if (!response.ok()) return CheckBlame(response.status());
  if (static_cast<size_t>(response->results_size()) != batch->work.size()) std::abort();
  for (const analyzer::v1::AnalyzerBatchResult& result : response->results()) {
    CheckBlame(analysis::FromFailure(result.failure()));
    for (const analyzer::v1::FrameResult& frame : result.results()) {
      if (frame.payload().size() > kMaxPayloadBytes) std::abort();
    }
  }
}

// One side is extreme now and then, and not both.
analysis::ImageSize TakeSize(FuzzedDataProvider& data) {
  int width = data.ConsumeIntegralInRange(1, data.ConsumeIntegralInRange(0, 7) == 0 ? analysis::kMaxSidePx : 200);
  int height = data.ConsumeIntegralInRange(1, 200);
  height = static_cast<int>(std::clamp<int64_t>(height, 1, std::max<int64_t>(1, kMaxPixels / width)));
  if (data.ConsumeBool()) std::swap(width, height);
  return {width, height};
}

// Bands of the fuzzer's bytes, so that few of them make a picture with something in it.
std::string TakePixels(FuzzedDataProvider& data, int64_t bytes) {
  std::string pixels(static_cast<size_t>(bytes), static_cast<char>(data.ConsumeIntegral<uint8_t>()));
  const std::string band = data.ConsumeRandomLengthString(64);
  const size_t shift = data.ConsumeIntegral<uint8_t>();
  for (size_t i = shift; !band.empty() && i < pixels.size(); ++i) pixels[i] = band[i % band.size()];
  return pixels;
}

void AnalyzeMade(FuzzedDataProvider& data) {
  auto request = std::make_shared<Request>();
  request->mutable_video()->set_width_px(data.ConsumeIntegral<int32_t>());
  request->mutable_video()->set_height_px(data.ConsumeIntegral<int32_t>());
  request->mutable_video()->set_frame_rate(data.ConsumeFloatingPoint<double>());
  *request->mutable_video()->mutable_duration() = analysis::ToProto(TakeOffset(data));
  const analyzer::v1::AnalyzerDescription& first = TakeAnalyzer(data);
  const auto format = data.ConsumeIntegralInRange(0, 7) > 0
                          ? *analysis::FromProto(first.frame_spec().format())
                          : static_cast<analysis::PixelFormat>(data.ConsumeIntegralInRange(1, 3));
  const analysis::ImageSize size = TakeSize(data);
  int64_t index = data.ConsumeIntegralInRange(0, 100);
  const int frame_count = data.ConsumeIntegralInRange(1, kMaxFrames);
  for (int i = 0; i < frame_count; ++i, index += data.ConsumeIntegralInRange(1, 3)) {
    analyzer::v1::Frame& frame = *request->add_frames();
    frame.set_index(index);
    *frame.mutable_offset() = analysis::ToProto(TakeOffset(data));
    frame.set_width_px(size.width_px);
    frame.set_height_px(size.height_px);
    frame.set_format(analysis::ToProto(format));
    frame.set_data(TakePixels(data, analysis::ImageBytes(format, size)));
  }
  for (int i = data.ConsumeIntegralInRange(1, 3); i > 0; --i) {
    const analyzer::v1::AnalyzerDescription& analyzer = request->work_size() == 0 ? first : TakeAnalyzer(data);
    analyzer::v1::AnalyzerWork& work = *request->add_work();
    work.set_analyzer(analyzer.name());
    TakeOptions(data, analyzer, *work.mutable_options());
    for (const analyzer::v1::Frame& frame : request->frames()) {
      const int use = data.ConsumeIntegralInRange(0, 7);
      if (use > 1) work.add_target_indexes(frame.index());
      if (use == 1 || use == 2) work.add_context_indexes(frame.index());
    }
    if (data.ConsumeIntegralInRange(0, 15) == 0) work.add_target_indexes(data.ConsumeIntegralInRange(0, 120));
  }
  Analyze(std::move(request));
}

}  // namespace
}  // namespace reelsight::lightweight

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto request = std::make_shared<reelsight::analyzer::v1::AnalyzeFramesRequest>();
  if (request->ParseFromArray(data, static_cast<int>(size))) reelsight::lightweight::Analyze(std::move(request));
  FuzzedDataProvider provider(data, size);
  reelsight::lightweight::AnalyzeMade(provider);
  return 0;
}
