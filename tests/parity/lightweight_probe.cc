// SPDX-License-Identifier: Apache-2.0
//
// Runs one analyzer of the lightweight service over raw frames from standard input, with its own sampling, context and
// batches, and prints its SummarizeResponse as JSON. For the parity scripts, which know what must come out.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "CLI/CLI.hpp"
#include "google/protobuf/util/json_util.h"
#include "orchestrator/plan/sampling_cursor.h"
#include "reelsight/v1/camera_analysis.pb.h"
#include "reelsight/v1/color_analysis.pb.h"
#include "reelsight/v1/cut_analysis.pb.h"
#include "reelsight/v1/scene_segmentation.pb.h"
#include "services/lightweight/camera_analysis/camera_analyzer.h"
#include "services/lightweight/color_analysis/color_analyzer.h"
#include "shared/analysis/analyzer_host.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/stopwatch.h"

namespace reelsight {
namespace {

struct Settings {
  std::string analyzer;
  int width_px = 0;
  int height_px = 0;
  double frame_rate = 30;
  bool reference_profile = false;
  int batch_frames = 0;
  // JSON files.
  std::string dependency;
  std::string options;
};

absl::Duration OffsetOf(int64_t index, const Settings& settings) {
  return absl::Nanoseconds(std::llround(static_cast<double>(index) / settings.frame_rate * 1e9));
}

absl::Status ReadJson(const std::string& path, google::protobuf::Message& message) {
  std::ifstream file(path);
  const std::string json((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(path + ": " + std::string(status.message()));
}

// Collects frames into batches as the orchestrator does, and their results.
class Probe {
 public:
  Probe(const Settings& settings, const analysis::AnalyzerHost& host)
      : settings_(settings), host_(host), description_(host.Describe().analyzers(0)) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const analysis::PixelFormat format, analysis::FromProto(description_.frame_spec().format()));
    const analyzer::v1::Sampling& sampling = description_.sampling();
    orchestrator::SamplingCursor cursor(settings_.reference_profile
                                            ? orchestrator::ReferenceRule(sampling, settings_.frame_rate)
                                            : orchestrator::SamplingRule{.sample_fps = sampling.sample_fps()},
                                        absl::ZeroDuration());
    const int64_t batch_frames = settings_.batch_frames > 0 ? settings_.batch_frames : description_.batch_frames();
    analysis::Frame before;
    int64_t index = 0;
    for (;; ++index) {
      auto image =
          std::make_shared<analysis::Image>(format, analysis::ImageSize{settings_.width_px, settings_.height_px});
      if (std::fread(image->mutable_plane(0), image->bytes().size(), 1, stdin) != 1) break;
      const analysis::Frame frame = {index, OffsetOf(index, settings_), std::move(image)};
      if (cursor.Take(index, frame.offset)) {
        if (sampling.context_frames() > 0 && before.image != nullptr) AddContext(before);
        batch_.frames.push_back(frame);
        targets_.push_back(index);
        if (static_cast<int64_t>(targets_.size()) >= batch_frames) RETURN_IF_ERROR(Flush());
      }
      before = frame;
    }
    RETURN_IF_ERROR(Flush());
    return Summarize(index);
  }

 private:
  void AddContext(const analysis::Frame& frame) {
    if (!batch_.frames.empty() && batch_.frames.back().index == frame.index) return;
    batch_.frames.push_back(frame);
    context_.push_back(frame.index);
  }

  absl::Status Flush() {
    if (targets_.empty()) return absl::OkStatus();
    batch_.work = {{.analyzer = settings_.analyzer,
                    .options = {},
                    .target_indexes = std::move(targets_),
                    .context_indexes = std::move(context_)}};
    const Stopwatch start;
    ASSIGN_OR_RETURN(const analyzer::v1::AnalyzeFramesResponse response, host_.AnalyzeFrames(batch_, CancelToken()));
    analyze_time_ += start.elapsed();
    RETURN_IF_ERROR(analysis::FromFailure(response.results(0).failure()));
    for (const analyzer::v1::FrameResult& result : response.results(0).results()) *request_.add_results() = result;
    batch_.frames.clear();
    targets_.clear();
    context_.clear();
    return absl::OkStatus();
  }

  absl::Status Summarize(int64_t frames) {
    request_.set_analyzer(settings_.analyzer);
    request_.mutable_video()->set_width_px(settings_.width_px);
    request_.mutable_video()->set_height_px(settings_.height_px);
    request_.mutable_video()->set_frame_rate(settings_.frame_rate);
    const absl::Duration end = OffsetOf(frames, settings_);
    *request_.mutable_video()->mutable_duration() = analysis::ToProto(end);
    *request_.add_segments()->mutable_end_offset() = analysis::ToProto(end);
    request_.set_sample_fps(description_.sampling().sample_fps());
    RETURN_IF_ERROR(AddOptionsAndDependency(end));
    const Stopwatch start;
    ASSIGN_OR_RETURN(const analyzer::v1::SummarizeResponse response, host_.Summarize(request_, CancelToken()));
    const absl::Duration summarize_time = start.elapsed();
    std::string json;
    google::protobuf::util::JsonPrintOptions print;
    print.always_print_primitive_fields = true;
    const auto status = google::protobuf::util::MessageToJsonString(response, &json, print);
    if (!status.ok()) return absl::InternalError(std::string(status.message()));
    std::cout << json << "\n";
    std::cerr << absl::StrCat(request_.results_size(), " frames, ",
                              absl::ToDoubleMilliseconds(analyze_time_) / std::max(1, request_.results_size()),
                              " ms each; summary ", absl::ToDoubleMilliseconds(summarize_time), " ms\n");
    return absl::OkStatus();
  }

  absl::Status AddOptionsAndDependency(absl::Duration end) {
    const bool camera = settings_.analyzer == "camera_analysis";
    if (!settings_.options.empty()) {
      v1::CameraAnalysisOptions camera_options;
      v1::ColorAnalysisOptions color_options;
      google::protobuf::Message& options =
          camera ? static_cast<google::protobuf::Message&>(camera_options) : color_options;
      RETURN_IF_ERROR(ReadJson(settings_.options, options));
      request_.mutable_options()->PackFrom(options);
    }
    v1::CutAnalysisResult cuts;
    v1::SceneSegmentationResult scenes;
    google::protobuf::Message& dependency = camera ? static_cast<google::protobuf::Message&>(cuts) : scenes;
    if (!settings_.dependency.empty()) {
      RETURN_IF_ERROR(ReadJson(settings_.dependency, dependency));
    } else {
      *cuts.add_shots()->mutable_end_offset() = analysis::ToProto(end);
    }
    analyzer::v1::DependencySummary& summary = *request_.add_dependencies();
    summary.set_analyzer(camera ? "cut_analysis" : "scene_segmentation");
    summary.mutable_summary()->mutable_typed()->PackFrom(dependency);
    return absl::OkStatus();
  }

  const Settings& settings_;
  const analysis::AnalyzerHost& host_;
  const analyzer::v1::AnalyzerDescription description_;
  analysis::Batch batch_;
  std::vector<int64_t> targets_;
  std::vector<int64_t> context_;
  analyzer::v1::SummarizeRequest request_;
  absl::Duration analyze_time_;
};

absl::Status RunProbe(const Settings& settings) {
  std::vector<std::unique_ptr<analysis::Analyzer>> analyzers;
  analyzers.push_back(settings.analyzer == "camera_analysis" ? camera_analysis::MakeCameraAnalyzer()
                                                             : color_analysis::MakeColorAnalyzer());
  ASSIGN_OR_RETURN(const std::unique_ptr<analysis::AnalyzerHost> host,
                   analysis::AnalyzerHost::Create("lightweight", "1", std::move(analyzers), 1));
  return Probe(settings, *host).Run();
}

}  // namespace
}  // namespace reelsight

int main(int argc, char** argv) {
  reelsight::Settings settings;
  CLI::App app("Runs one lightweight analyzer over raw frames from standard input, in the layout that it asks for.");
  app.add_option("--analyzer", settings.analyzer, "camera_analysis (GRAY8) or color_analysis (RGB24)")
      ->required()
      ->check(CLI::IsMember({"camera_analysis", "color_analysis"}));
  app.add_option("--width", settings.width_px, "Width of the frames")->required()->check(CLI::Range(1, 4096));
  app.add_option("--height", settings.height_px, "Height of the frames")->required()->check(CLI::Range(1, 4096));
  app.add_option("--fps", settings.frame_rate, "Frames a second")->check(CLI::Range(0.1, 1000.0));
  app.add_option("--batch", settings.batch_frames, "Frames of a batch; 0: what the analyzer asks for");
  app.add_flag("--reference", settings.reference_profile, "Sample as the REFERENCE profile does");
  app.add_option("--dependency", settings.dependency,
                 "JSON of what it builds on (CutAnalysisResult, ...); else one shot");
  app.add_option("--options", settings.options, "JSON of its options");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = reelsight::RunProbe(settings);
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  return 0;
}
