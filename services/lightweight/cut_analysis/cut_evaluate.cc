// SPDX-License-Identifier: Apache-2.0
//
// Developers' tool: runs cut_analysis over raw I420 frames from standard input, in batches through an AnalyzerHost, and
// prints its result as JSON. tests/bench/cuts/evaluate.py measures with it. It is in no package.
//
//   ffmpeg -v error -i CLIP -f rawvideo -pix_fmt yuv420p - | cut_evaluate --width 160 --height 90 --fps 25
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "google/protobuf/util/json_util.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "services/lightweight/cut_analysis/cut_analyzer.h"
#include "services/lightweight/cut_analysis/gradual_detector.h"
#include "services/lightweight/cut_analysis/hard_cut_detector.h"
#include "shared/analysis/analyzer_host.h"

namespace reelsight::cut_analysis {
namespace {

struct Flags {
  int width_px = 0;
  int height_px = 0;
  double fps = 25;
  // Every so many frames is analysed.
  int step = 1;
  float sensitivity = 0.5F;
  // Prints the evidence of each candidate, for tuning.
  bool evidence = false;
};

absl::Duration OffsetOf(int64_t index, double fps) { return absl::Seconds(static_cast<double>(index) / fps); }

std::shared_ptr<analysis::Image> ReadFrame(const Flags& flags) {
  auto image = std::make_shared<analysis::Image>(analysis::PixelFormat::kI420,
                                                 analysis::ImageSize{flags.width_px, flags.height_px});
  const size_t bytes = image->bytes().size();
  return std::fread(image->mutable_plane(0), 1, bytes, stdin) == bytes ? image : nullptr;
}

void PrintEvidence(const analyzer::v1::SummarizeRequest& request) {
  std::vector<absl::Duration> offsets;
  std::vector<FrameFeatures> features;
  for (const analyzer::v1::FrameResult& result : request.results()) {
    offsets.push_back(analysis::FromProto(result.offset()));
    features.push_back(*DecodeFeatures(result.payload()));
  }
  const std::vector<SeriesFrame> series = MakeSeries(offsets, std::move(features));
  for (const CutCandidate& candidate : FindCutCandidates(series, 0)) {
    std::printf("C %ld %.4f", static_cast<long>(request.results(candidate.frame).index()), candidate.score);
    for (const float value : candidate.evidence.values) std::printf(" %.4f", value);
    std::printf("\n");
  }
  for (const DissolveCandidate& candidate : FindDissolveCandidates(series, CoarseSeries(series))) {
    const Transition& found = candidate.transition;
    std::printf("D %ld %ld %.4f", static_cast<long>(request.results(found.first).index()),
                static_cast<long>(request.results(found.end).index()), found.score);
    for (const float value : candidate.evidence.values) std::printf(" %.4f", value);
    std::printf("\n");
  }
}

int Run(const Flags& flags) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(MakeCutAnalyzer());
  const auto host = analysis::AnalyzerHost::Create("evaluate", "1", std::move(analyzers), 1);
  const std::string name = "cut_analysis";
  v1::CutAnalysisOptions options;
  options.set_sensitivity(flags.sensitivity);
  analyzer::v1::SummarizeRequest request;
  request.set_analyzer(name);
  request.mutable_options()->PackFrom(options);
  constexpr size_t kBatchFrames = 32;
  int64_t index = 0;
  for (bool more = true; more;) {
    analysis::Batch batch;
    analysis::Work work{.analyzer = name, .options = request.options(), .target_indexes = {}, .context_indexes = {}};
    while (batch.frames.size() < kBatchFrames) {
      std::shared_ptr<analysis::Image> image = ReadFrame(flags);
      if (image == nullptr) {
        more = false;
        break;
      }
      if (index % flags.step == 0) {
        batch.frames.push_back({index, OffsetOf(index, flags.fps), std::move(image)});
        work.target_indexes.push_back(index);
      }
      ++index;
    }
    batch.work.push_back(std::move(work));
    const auto response = (*host)->AnalyzeFrames(batch, CancelToken());
    if (!response.ok() || response->results(0).failure().code() != 0) {
      std::cerr << response.status() << "\n";
      return 1;
    }
    for (const analyzer::v1::FrameResult& result : response->results(0).results()) *request.add_results() = result;
  }
  *request.add_segments()->mutable_end_offset() = analysis::ToProto(OffsetOf(index, flags.fps));
  if (flags.evidence) {
    PrintEvidence(request);
    return 0;
  }
  const auto summary = (*host)->Summarize(request, CancelToken());
  v1::CutAnalysisResult result;
  if (!summary.ok() || !summary->typed().UnpackTo(&result)) {
    std::cerr << summary.status() << "\n";
    return 1;
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(result, &json).ok()) return 1;
  std::cout << json << "\n";
  return 0;
}

}  // namespace
}  // namespace reelsight::cut_analysis

int main(int argc, char** argv) {
  reelsight::cut_analysis::Flags flags;
  CLI::App app("Runs cut_analysis over raw I420 frames from standard input.");
  app.add_option("--width", flags.width_px, "Width in pixels")->required()->check(CLI::Range(1, 32768));
  app.add_option("--height", flags.height_px, "Height in pixels")->required()->check(CLI::Range(1, 32768));
  app.add_option("--fps", flags.fps, "Frames a second")->check(CLI::Range(0.1, 1000.0));
  app.add_option("--step", flags.step, "Analyse every so many frames")->check(CLI::Range(1, 1000));
  app.add_option("--sensitivity", flags.sensitivity, "As in CutAnalysisOptions")->check(CLI::Range(0.0, 1.0));
  app.add_flag("--evidence", flags.evidence, "Print the evidence of hard cut candidates instead");
  CLI11_PARSE(app, argc, argv);
  return reelsight::cut_analysis::Run(flags);
}
