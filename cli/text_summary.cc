// SPDX-License-Identifier: Apache-2.0
#include "cli/text_summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "shared/analysis/analyzer.h"

namespace reelsight::cli {
namespace {

using analysis::FromProto;
using Align = Table::Align;

// Longer lists end with a line that counts the rest; JSON has them all.
constexpr int kMaxRows = 40;

std::string Percent(double share) { return absl::StrFormat("%.0f%%", share * 100); }

std::string Heading(const Terminal& terminal, const std::string& text) {
  return absl::StrCat("\n", Bold(terminal, text), "\n");
}

std::string Rest(int count, const std::string& what) {
  return count <= kMaxRows ? "" : absl::StrCat("  and ", count - kMaxRows, " more ", what, "\n");
}

std::string VideoLine(const v1::VideoInfo& video, const Terminal& terminal) {
  std::vector<std::string> facts = {video.codec(),
                                    absl::StrCat(video.width_px(), terminal.unicode ? "×" : "x", video.height_px()),
                                    FormatLength(FromProto(video.duration())),
                                    absl::StrCat(FormatRate(std::round(video.frame_rate() * 100) / 100), " fps",
                                                 video.variable_frame_rate() ? " (variable)" : "")};
  if (video.frame_count() > 0) facts.push_back(absl::StrCat(FormatCount(video.frame_count()), " frames"));
  if (!video.pixel_format().empty()) facts.push_back(video.pixel_format());
  if (video.rotation_degrees() != 0) facts.push_back(absl::StrCat("turned by ", video.rotation_degrees(), " degrees"));
  if (video.tone_mapped()) facts.push_back("tone-mapped from HDR");
  if (video.decode_errors() > 0) facts.push_back(absl::StrCat(video.decode_errors(), " defects stepped over"));
  return absl::StrJoin(facts, terminal.unicode ? " · " : ", ");
}

template <typename Colors>
std::string Swatches(const Colors& colors, const Terminal& terminal) {
  std::vector<std::string> parts;
  for (const auto& color : colors) {
    if (parts.size() == 4) break;
    const std::string swatch = Swatch(terminal, color.hex(), 2);
    parts.push_back(swatch.empty() ? color.hex() : swatch);
  }
  return absl::StrJoin(parts, terminal.colors == Terminal::Colors::kNone ? " " : "");
}

// What the camera does in [start, end): the kinds in order of time, each once in a row.
std::string CameraIn(const v1::CameraAnalysisResult* camera, absl::Duration start, absl::Duration end) {
  if (camera == nullptr) return "";
  std::vector<std::string> kinds;
  for (const auto& segment : camera->segments()) {
    if (FromProto(segment.end_offset()) <= start || FromProto(segment.start_offset()) >= end) continue;
    const std::string kind = EnumWords(v1::CameraAnalysisResult::Motion_Name(segment.motion()));
    if (kinds.empty() || kinds.back() != kind) kinds.push_back(kind);
  }
  if (kinds.size() > 4) {
    const size_t more = kinds.size() - 3;
    kinds.resize(3);
    kinds.push_back(absl::StrCat(more, " more"));
  }
  return absl::StrJoin(kinds, ", ");
}

struct Results {
  const v1::CutAnalysisResult* cuts = nullptr;
  const v1::CameraAnalysisResult* camera = nullptr;
  const v1::ColorAnalysisResult* colors = nullptr;
  const v1::SceneSegmentationResult* scenes = nullptr;
};

Results Find(const v1::AnalyzeResponse& response) {
  Results found;
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.has_cut_analysis()) found.cuts = &result.cut_analysis();
    if (result.has_camera_analysis()) found.camera = &result.camera_analysis();
    if (result.has_color_analysis()) found.colors = &result.color_analysis();
    if (result.has_scene_segmentation()) found.scenes = &result.scene_segmentation();
  }
  return found;
}

std::string Shots(const v1::AnalyzeResponse& response, const Results& found, const Terminal& terminal) {
  if (found.cuts == nullptr && found.scenes == nullptr) return "";
  Table table({{"scene", Align::kRight},
               {"shot", Align::kRight},
               {"start", Align::kRight},
               {"end", Align::kRight},
               {"length", Align::kRight},
               {found.camera == nullptr ? "" : "camera"},
               {""}});
  int scene_number = 0, shot_number = 0;
  for (const auto& scene : response.timeline().scenes()) {
    ++scene_number;
    std::string colors;
    if (found.colors != nullptr) {
      for (const auto& one : found.colors->scenes()) {
        if (FromProto(one.start_offset()) <= FromProto(scene.start_offset()) &&
            FromProto(scene.start_offset()) < FromProto(one.end_offset())) {
          colors = Swatches(one.dominant_colors(), terminal);
        }
      }
    }
    bool first = true;
    for (const auto& shot : scene.shots()) {
      if (++shot_number > kMaxRows) continue;
      const absl::Duration start = FromProto(shot.start_offset()), end = FromProto(shot.end_offset());
      table.AddRow({first ? absl::StrCat(scene_number) : "", absl::StrCat(shot_number), FormatPlace(start),
                    FormatPlace(end), FormatLength(end - start), CameraIn(found.camera, start, end),
                    first ? colors : ""});
      first = false;
    }
  }
  const std::string what =
      absl::StrCat("Scenes and shots  ", Dim(terminal, absl::StrCat(scene_number, ", ", shot_number)));
  return absl::StrCat(Heading(terminal, what), table.Render(terminal, 2), Rest(shot_number, "shots"));
}

std::string Cuts(const v1::CutAnalysisResult& cuts, const Terminal& terminal) {
  std::map<int, int> kinds;
  for (const auto& transition : cuts.transitions()) ++kinds[transition.kind()];
  std::vector<std::string> counts;
  for (const auto& [kind, count] : kinds) {
    counts.push_back(absl::StrCat(count, " ",
                                  EnumWords(v1::CutAnalysisResult::Transition::Kind_Name(
                                      static_cast<v1::CutAnalysisResult::Transition::Kind>(kind)))));
  }
  std::string text = Heading(terminal, "Cuts");
  absl::StrAppend(&text, "  ", counts.empty() ? "none" : absl::StrJoin(counts, ", "),
                  absl::StrFormat("; %.1f a minute, mean shot ", cuts.pace().cuts_per_minute()),
                  FormatLength(FromProto(cuts.pace().mean_shot())), ", median ",
                  FormatLength(FromProto(cuts.pace().median_shot())), "\n");
  Table table({{""}, {"", Align::kRight}, {"", Align::kRight}, {""}});
  int row = 0;
  for (const auto& transition : cuts.transitions()) {
    if (++row > kMaxRows) break;
    const absl::Duration start = FromProto(transition.start_offset()), end = FromProto(transition.end_offset());
    table.AddRow({EnumWords(v1::CutAnalysisResult::Transition::Kind_Name(transition.kind())), FormatPlace(start),
                  end > start ? FormatLength(end - start) : "", Percent(transition.score())});
  }
  return absl::StrCat(text, table.Render(terminal, 2), Rest(cuts.transitions_size(), "transitions"));
}

std::string Camera(const v1::CameraAnalysisResult& camera, const Terminal& terminal) {
  std::map<int, absl::Duration> times;
  absl::Duration all;
  for (const auto& segment : camera.segments()) {
    const absl::Duration length = FromProto(segment.end_offset()) - FromProto(segment.start_offset());
    times[segment.motion()] += length;
    all += length;
  }
  std::vector<std::pair<absl::Duration, int>> order;
  for (const auto& [motion, time] : times) order.emplace_back(time, motion);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> parts;
  for (const auto& [time, motion] : order) {
    const double share = all > absl::ZeroDuration() ? absl::FDivDuration(time, all) : 0;
    parts.push_back(absl::StrCat(
        EnumWords(v1::CameraAnalysisResult::Motion_Name(static_cast<v1::CameraAnalysisResult::Motion>(motion))), " ",
        Percent(share)));
  }
  return absl::StrCat(Heading(terminal, "Camera"), "  ", absl::StrJoin(parts, ", "), "\n");
}

std::string Colors(const v1::ColorAnalysisResult& colors, const Terminal& terminal) {
  std::string text = Heading(terminal, "Colours");
  std::vector<std::string> facts = {absl::StrFormat("brightness %.2f", colors.brightness()),
                                    absl::StrFormat("contrast %.2f", colors.contrast()),
                                    absl::StrFormat("saturation %.2f", colors.saturation())};
  if (colors.has_temperature_kelvin()) facts.push_back(absl::StrFormat("%.0f K", colors.temperature_kelvin()));
  for (const auto& span : colors.blank_spans()) {
    facts.push_back(absl::StrCat(EnumWords(v1::ColorAnalysisResult::BlankSpan::Kind_Name(span.kind())), " ",
                                 FormatPlace(FromProto(span.start_offset())), " to ",
                                 FormatPlace(FromProto(span.end_offset()))));
  }
  absl::StrAppend(&text, "  ", absl::StrJoin(facts, ", "), "\n");
  Table table({{""}, {""}, {""}, {"", Align::kRight}});
  for (const auto& color : colors.dominant_colors()) {
    table.AddRow({Swatch(terminal, color.hex(), 4), color.hex(), color.name(), Percent(color.share())});
  }
  return text + table.Render(terminal, 2);
}

std::string Analyzers(const v1::AnalyzeResponse& response, const Terminal& terminal) {
  Table table({{"analyzer"}, {"status"}, {"frames", Align::kRight}, {"busy", Align::kRight}, {""}});
  for (const v1::AnalyzerResult& result : response.results()) {
    const bool ok = result.status().code() == v1::AnalyzerStatus::OK;
    std::string status = v1::AnalyzerStatus::Code_Name(result.status().code());
    std::string note = ok ? result.headline() : result.status().message();
    if (ok && !result.status().message().empty()) absl::StrAppend(&note, " (", result.status().message(), ")");
    if (!ok && !result.status().reason().empty()) note = absl::StrCat(result.status().reason(), ": ", note);
    table.AddRow({Printable(result.analyzer()), ok ? Green(terminal, status) : Red(terminal, status),
                  FormatCount(result.timing().frame_count()),
                  FormatLength(FromProto(result.timing().batch_time()) + FromProto(result.timing().summarize_time())),
                  Printable(note)});
  }
  return table.empty() ? "" : absl::StrCat(Heading(terminal, "Analyzers"), table.Render(terminal, 2));
}

std::string Stats(const v1::AnalyzeResponse& response, const Terminal& terminal) {
  const v1::AnalyzeStats& stats = response.stats();
  const absl::Duration elapsed = FromProto(stats.elapsed());
  const absl::Duration duration = FromProto(response.video().duration());
  std::vector<std::string> facts = {absl::StrCat("done in ", FormatLength(elapsed))};
  if (elapsed > absl::ZeroDuration()) {
    facts.push_back(absl::StrFormat("%.1f times as fast as it plays", absl::FDivDuration(duration, elapsed)));
  }
  facts.push_back(absl::StrCat(FormatCount(stats.frames_decoded()), " frames decoded"));
  facts.push_back(absl::StrCat(FormatCount(stats.frames_analyzed()), " analysed"));
  facts.push_back(absl::StrCat(FormatBytes(stats.source_bytes()), " read"));
  if (stats.sent_bytes() > 0) facts.push_back(absl::StrCat(FormatBytes(stats.sent_bytes()), " sent to services"));
  if (stats.replayed()) facts.push_back("answer of an earlier request with this id");
  std::string text = absl::StrCat("\n", Dim(terminal, absl::StrJoin(facts, ", ")), "\n");
  std::vector<std::string> stages;
  for (const auto& stage : stats.stages()) {
    stages.push_back(absl::StrCat(stage.name(), " ", FormatLength(FromProto(stage.time()))));
  }
  if (!stages.empty()) {
    absl::StrAppend(&text, Dim(terminal, absl::StrCat("stages, side by side: ", absl::StrJoin(stages, ", "))), "\n");
  }
  return text;
}

}  // namespace

std::string EnumWords(std::string enum_name) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(enum_name, {{"_", " "}}));
}

std::string TextSummary(const std::string& name, const v1::AnalyzeResponse& response, const Terminal& terminal) {
  const Results found = Find(response);
  std::string text =
      absl::StrCat(Bold(terminal, Printable(name)), "\n", "  ", Printable(VideoLine(response.video(), terminal)), "\n");
  if (!response.summary().empty()) {
    text += "\n";
    for (const auto& line : absl::StrSplit(response.summary(), '\n')) {
      if (!line.empty()) absl::StrAppend(&text, "  ", Printable(std::string(line)), "\n");
    }
  }
  text += Shots(response, found, terminal);
  if (found.cuts != nullptr) text += Cuts(*found.cuts, terminal);
  if (found.camera != nullptr) text += Camera(*found.camera, terminal);
  if (found.colors != nullptr) text += Colors(*found.colors, terminal);
  text += Analyzers(response, terminal);
  text += Stats(response, terminal);
  return text;
}

}  // namespace reelsight::cli
