// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the body of Summarize with the analyzers that need no weights: bytes as a request, and requests whose frame
// results are those of pictures, some with a few bytes changed. Each gets an answer that is in proportion to the
// request, or a status that blames the caller.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "services/lightweight/fuzz_request.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::lightweight {
namespace {

using Request = analyzer::v1::SummarizeRequest;

// Keeps single inputs fast.
constexpr int kMaxResults = 100;
// An empty segment of two bytes gets a shot and an entry of the timeline.
constexpr size_t kMaxGrowth = 256;

void Summarize(const Request& request) {
  const auto response = FuzzedHost().Summarize(request, CancelToken());
  if (!response.ok()) return CheckBlame(response.status());
  if (response->ByteSizeLong() > kMaxGrowth * (64 + request.ByteSizeLong())) std::abort();
}

std::shared_ptr<const analysis::Image> MakePicture(analysis::PixelFormat format, int kind) {
  auto image = std::make_shared<analysis::Image>(format, analysis::ImageSize{64, 48});
  uint8_t* const bytes = image->mutable_plane(0);
  const size_t size = image->bytes().size();
  // Two flat ones, then textures that move and change.
  for (size_t i = 0; i < size; ++i) {
    const size_t place = i + static_cast<size_t>(kind) * 3;
    bytes[i] = static_cast<uint8_t>(kind < 2 ? kind * 255 : place % 64 * (place / 512 % 4 + 1) + 17 * (kind / 4));
  }
  return image;
}

// What `analyzer` says of a few pictures one after another.
std::vector<std::string> MakePayloads(const analyzer::v1::AnalyzerDescription& analyzer) {
  analysis::Batch batch;
  const auto format = *analysis::FromProto(analyzer.frame_spec().format());
  analysis::AnalyzerWork work{.analyzer = analyzer.name(), .options = {}, .target_indexes = {}, .context_indexes = {}};
  for (int i = 0; i < 10; ++i) {
    batch.frames.push_back({i, absl::Milliseconds(40 * i), MakePicture(format, i)});
    work.target_indexes.push_back(i);
  }
  batch.work.push_back(std::move(work));
  const auto response = FuzzedHost().AnalyzeFrames(batch, CancelToken());
  if (!response.ok() || response->results(0).results().empty()) std::abort();
  std::vector<std::string> payloads;
  for (const analyzer::v1::FrameResult& result : response->results(0).results()) payloads.push_back(result.payload());
  return payloads;
}

std::string TakePayload(FuzzedDataProvider& data, const analyzer::v1::AnalyzerDescription& analyzer) {
  static auto& known = *new std::map<std::string, std::vector<std::string>>();
  std::vector<std::string>& payloads = known[analyzer.name()];
  if (payloads.empty()) payloads = MakePayloads(analyzer);
  std::string payload = payloads[data.ConsumeIntegralInRange<size_t>(0, payloads.size() - 1)];
  const int changes = data.ConsumeIntegralInRange(0, 31);
  if (changes == 31) return data.ConsumeRandomLengthString(64);
  // Fields of another message after it take the place of its own where they are scalars.
  if (changes == 30) return payload + data.ConsumeRandomLengthString(32);
  for (int i = 26; i < changes; ++i) {
    payload[data.ConsumeIntegralInRange<size_t>(0, payload.size() - 1)] = data.ConsumeIntegral<char>();
  }
  return payload;
}

template <typename Range>
void TakeRange(FuzzedDataProvider& data, absl::Duration& next, Range& range) {
  const bool any = data.ConsumeIntegralInRange(0, 15) == 0;
  *range.mutable_start_offset() = analysis::ToProto(any ? TakeOffset(data) : next);
  next += absl::Milliseconds(data.ConsumeIntegralInRange(0, 3000));
  *range.mutable_end_offset() = analysis::ToProto(any ? TakeOffset(data) : next);
}

// Summaries of the analyzers that others build on.
void TakeDependencies(FuzzedDataProvider& data, Request& request) {
  if (data.ConsumeIntegralInRange(0, 3) > 0) {
    v1::CutAnalysisResult cuts;
    absl::Duration next;
    for (int i = data.ConsumeIntegralInRange(0, 8); i > 0; --i) TakeRange(data, next, *cuts.add_shots());
    next = TakeOffset(data);
    for (int i = data.ConsumeIntegralInRange(0, 3); i > 0; --i) TakeRange(data, next, *cuts.add_transitions());
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("cut_analysis");
    dependency.mutable_summary()->mutable_typed()->PackFrom(cuts);
  }
  if (data.ConsumeBool()) {
    v1::SceneSegmentationResult scenes;
    absl::Duration next;
    for (int i = data.ConsumeIntegralInRange(0, 5); i > 0; --i) TakeRange(data, next, *scenes.add_scenes());
    analyzer::v1::DependencySummary& dependency = *request.add_dependencies();
    dependency.set_analyzer("scene_segmentation");
    dependency.mutable_summary()->mutable_typed()->PackFrom(scenes);
  }
}

void SummarizeMade(FuzzedDataProvider& data) {
  Request request;
  const analyzer::v1::AnalyzerDescription& analyzer = TakeAnalyzer(data);
  request.set_analyzer(analyzer.name());
  TakeOptions(data, analyzer, *request.mutable_options());
  request.mutable_video()->set_width_px(data.ConsumeIntegral<int32_t>());
  request.mutable_video()->set_height_px(data.ConsumeIntegral<int32_t>());
  request.mutable_video()->set_frame_rate(data.ConsumeFloatingPoint<double>());
  *request.mutable_video()->mutable_duration() = analysis::ToProto(TakeOffset(data));
  if (data.ConsumeIntegralInRange(0, 3) == 0) request.set_sample_fps(data.ConsumeFloatingPoint<double>());
  absl::Duration next;
  for (int i = data.ConsumeIntegralInRange(0, 4); i > 0; --i) TakeRange(data, next, *request.add_segments());
  TakeDependencies(data, request);
  int64_t index = 0;
  absl::Duration offset;
  const absl::Duration step = absl::Milliseconds(data.ConsumeIntegralInRange(0, 500));
  for (int i = 0; i < kMaxResults && data.remaining_bytes() > 0; ++i) {
    analyzer::v1::FrameResult& result = *request.add_results();
    result.set_index(data.ConsumeIntegralInRange(0, 31) > 0 ? index++ : data.ConsumeIntegral<int64_t>());
    *result.mutable_offset() =
        analysis::ToProto(data.ConsumeIntegralInRange(0, 31) > 0 ? offset += step : TakeOffset(data));
    result.set_payload(TakePayload(data, analyzer));
  }
  Summarize(request);
}

}  // namespace
}  // namespace reelsight::lightweight

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reelsight::analyzer::v1::SummarizeRequest request;
  if (request.ParseFromArray(data, static_cast<int>(size))) reelsight::lightweight::Summarize(request);
  FuzzedDataProvider provider(data, size);
  reelsight::lightweight::SummarizeMade(provider);
  return 0;
}
