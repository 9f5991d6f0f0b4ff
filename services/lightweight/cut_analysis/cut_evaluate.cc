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
#include "services/lightweight/cut_analysis/cut_payload.h"
#include "services/lightweight/cut_analysis/gradual_detector.h"
#include "services/lightweight/cut_analysis/hard_cut_detector.h"
#include "services/lightweight/cut_analysis/transnet.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"
#include "shared/inference/model_runtime.h"

namespace reelsight::cut_analysis {
namespace {

struct Flags {
  int width_px = 0;
  int height_px = 0;
  double fps = 25;
  // Every so many frames is analysed.
  int step = 1;
  float sensitivity = 0.5F;
  // `classical`, `neural`, or `network`: what the network says alone, by the rule of its authors, as hard cuts.
  std::string method = "classical";
  // Catalogues beside the built-in one.
  std::vector<std::string> catalogs;
  int threads = 2;
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
    features.push_back(DecodeFrame(result.payload())->features);
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

// What the network alone finds: a cut where each scene but the first begins.
absl::StatusOr<v1::CutAnalysisResult> FindByNetwork(const analyzer::v1::SummarizeRequest& request,
                                                    inference::ModelSource& models, double fps) {
  ASSIGN_OR_RETURN(const inference::PinnedModel model,
                   models.Acquire(models.DefaultFor("cut_analysis", "")->name(), CancelToken()));
  const ThumbnailSeries thumbnails = {request.results_size(),
                                      [&](int index) { return ThumbnailOf(request.results(index).payload()); }};
  ASSIGN_OR_RETURN(const ShotProbabilities probabilities, RunTransNet(*model, thumbnails, "", CancelToken()));
  v1::CutAnalysisResult result;
  const std::vector<std::pair<int, int>> scenes = PublishedScenes(probabilities.boundary, 0.5F);
  for (size_t i = 1; i < scenes.size(); ++i) {
    v1::CutAnalysisResult::Transition& cut = *result.add_transitions();
    cut.set_kind(v1::CutAnalysisResult::Transition::HARD_CUT);
    *cut.mutable_start_offset() = analysis::ToProto(OffsetOf(request.results(scenes[i].first).index(), fps));
    *cut.mutable_end_offset() = cut.start_offset();
  }
  return result;
}

absl::StatusOr<v1::CutAnalysisResult> FindByAnalyzer(const analyzer::v1::SummarizeRequest& request,
                                                     const analysis::AnalyzerHost& host) {
  ASSIGN_OR_RETURN(const analyzer::v1::SummarizeResponse summary, host.Summarize(request, CancelToken()));
  v1::CutAnalysisResult result;
  if (!summary.typed().UnpackTo(&result)) return absl::InternalError("another result");
  return result;
}

int Run(const Flags& flags) {
  const auto store = model_store::ModelStore::Open({.catalog_files = flags.catalogs});
  if (!store.ok()) {
    std::cerr << store.status() << "\n";
    return 1;
  }
  const auto runtime = inference::ModelRuntime::Create(*store, {.threads = flags.threads}, nullptr);
  if (!runtime.ok()) {
    std::cerr << runtime.status() << "\n";
    return 1;
  }
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(MakeCutAnalyzer(runtime->get()));
  const auto host = analysis::AnalyzerHost::Create("evaluate", "1", std::move(analyzers), 1);
  const std::string name = "cut_analysis";
  v1::CutAnalysisOptions options;
  options.set_sensitivity(flags.sensitivity);
  options.set_method(flags.method == "classical" ? v1::CutAnalysisOptions::CLASSICAL : v1::CutAnalysisOptions::NEURAL);
  analyzer::v1::SummarizeRequest request;
  request.set_analyzer(name);
  request.mutable_options()->PackFrom(options);
  constexpr size_t kBatchFrames = 32;
  int64_t index = 0;
  for (bool more = true; more;) {
    analysis::Batch batch;
    analysis::AnalyzerWork work{
        .analyzer = name, .options = request.options(), .target_indexes = {}, .context_indexes = {}};
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
      std::cerr << response.status() << " " << (response.ok() ? response->results(0).failure().message() : "") << "\n";
      return 1;
    }
    for (const analyzer::v1::FrameResult& result : response->results(0).results()) *request.add_results() = result;
  }
  *request.add_segments()->mutable_end_offset() = analysis::ToProto(OffsetOf(index, flags.fps));
  if (flags.evidence) {
    PrintEvidence(request);
    return 0;
  }
  const auto result =
      flags.method == "network" ? FindByNetwork(request, **runtime, flags.fps) : FindByAnalyzer(request, **host);
  if (!result.ok()) {
    std::cerr << result.status() << "\n";
    return 1;
  }
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(*result, &json).ok()) return 1;
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
  app.add_option("--method", flags.method, "Detector: classical, neural, network")
      ->check(CLI::IsMember({"classical", "neural", "network"}));
  app.add_option("--catalog", flags.catalogs, "Catalogue of models beside the built-in one");
  app.add_option("--threads", flags.threads, "Windows of the network at once")->check(CLI::Range(1, 256));
  app.add_flag("--evidence", flags.evidence, "Print the evidence of hard cut candidates instead");
  CLI11_PARSE(app, argc, argv);
  return reelsight::cut_analysis::Run(flags);
}
