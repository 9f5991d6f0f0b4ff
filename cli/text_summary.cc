// SPDX-License-Identifier: Apache-2.0
#include "cli/text_summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "cli/table.h"
#include "cli/time_text.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::cli {
namespace {

using analysis::FromProto;
using Align = Table::Align;

// Longer lists end with a line that counts the rest; JSON has them all.
constexpr int kMaxRows = 40;

// `1 shot`, `2 shots`, `2 fades in`.
std::string Counted(int64_t count, const std::string& what) {
  const size_t end = absl::StartsWith(what, "fade ") ? 4 : what.size();
  return absl::StrCat(FormatCount(count), " ", what.substr(0, end), count == 1 ? "" : "s", what.substr(end));
}

// Text as lines behind `indent` blanks, within the window if somebody looks at it.
std::string Paragraph(const Terminal& terminal, int indent, const std::string& text) {
  const std::vector<std::string> lines =
      terminal.interactive ? Wrap(text, std::max(16, terminal.width - indent)) : std::vector<std::string>{text};
  const std::string blanks(static_cast<size_t>(indent), ' ');
  return absl::StrCat(blanks, absl::StrJoin(lines, "\n" + blanks), "\n");
}

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
  if (video.decode_errors() > 0) facts.push_back(absl::StrCat(video.decode_errors(), " defects"));
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
  const std::string what = absl::StrCat(Counted(scene_number, "scene"), ", ", Counted(shot_number, "shot"));
  return absl::StrCat(Heading(terminal, what), table.Render(terminal, 2), Rest(shot_number, "shots"));
}

std::string Cuts(const v1::CutAnalysisResult& cuts, const Terminal& terminal) {
  std::map<int, int> kinds;
  for (const auto& transition : cuts.transitions()) ++kinds[transition.kind()];
  std::vector<std::string> counts;
  for (const auto& [kind, count] : kinds) {
    counts.push_back(Counted(count, EnumWords(v1::CutAnalysisResult::Transition::Kind_Name(
                                        static_cast<v1::CutAnalysisResult::Transition::Kind>(kind)))));
  }
  std::string text = Heading(terminal, "Cuts");
  text += Paragraph(terminal, 2,
                    absl::StrCat(counts.empty() ? "none" : absl::StrJoin(counts, ", "),
                                 absl::StrFormat("; %.1f a minute, mean shot ", cuts.pace().cuts_per_minute()),
                                 FormatLength(FromProto(cuts.pace().mean_shot())), ", median ",
                                 FormatLength(FromProto(cuts.pace().median_shot()))));
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
  return Heading(terminal, "Camera") + Paragraph(terminal, 2, absl::StrJoin(parts, ", "));
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
  text += Paragraph(terminal, 2, absl::StrJoin(facts, ", "));
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
    // The built-in analyzers' headlines say what their sections above say in full.
    const bool told = result.has_cut_analysis() || result.has_camera_analysis() || result.has_color_analysis() ||
                      result.has_scene_segmentation();
    std::string note = !ok ? result.status().message() : told ? "" : result.headline();
    if (ok && !result.status().message().empty()) absl::StrAppend(&note, " (", result.status().message(), ")");
    if (!ok && !result.status().reason().empty()) absl::StrAppend(&note, " (", result.status().reason(), ")");
    table.AddRow({Printable(result.analyzer()), ok ? Green(terminal, status) : Red(terminal, status),
                  FormatCount(result.timing().frame_count()),
                  FormatLength(FromProto(result.timing().batch_time()) + FromProto(result.timing().summarize_time())),
                  Printable(note)});
  }
  return table.empty() ? "" : absl::StrCat(Heading(terminal, "Analyzers"), table.Render(terminal, 2));
}

std::string Models(const v1::AnalyzeResponse& response, const Terminal& terminal) {
  Table table({{""}, {""}});
  for (const v1::AnalyzerResult& result : response.results()) {
    if (result.models().empty()) continue;
    table.AddRow({Printable(result.analyzer()), Printable(ModelsText(result.models()))});
  }
  return table.empty() ? "" : absl::StrCat(Heading(terminal, "Models"), table.Render(terminal, 2));
}

// How much of the video the timeline covers.
absl::Duration Analyzed(const v1::AnalyzeResponse& response) {
  absl::Duration covered;
  for (const auto& scene : response.timeline().scenes()) {
    covered += FromProto(scene.end_offset()) - FromProto(scene.start_offset());
  }
  return covered > absl::ZeroDuration() ? covered : FromProto(response.video().duration());
}

// Which part of the video was analysed, if it was not all of it; else empty.
std::string PartLine(const v1::AnalyzeResponse& response) {
  const auto& scenes = response.timeline().scenes();
  if (scenes.empty() || FromProto(response.video().duration()) - Analyzed(response) < absl::Milliseconds(100))
    return "";
  return absl::StrCat("analysed from ", FormatPlace(FromProto(scenes.begin()->start_offset())), " to ",
                      FormatPlace(FromProto(scenes.rbegin()->end_offset())), ", ", FormatLength(Analyzed(response)));
}

// The lines of the response's summary that say more than the video's line and the analyzers' headlines.
std::vector<std::string> SummaryLines(const v1::AnalyzeResponse& response) {
  std::vector<std::string> lines = absl::StrSplit(response.summary(), '\n', absl::SkipEmpty());
  const size_t all = lines.size();
  lines.erase(std::remove_if(lines.begin(), lines.end(),
                             [&](const std::string& line) {
                               return std::any_of(response.results().begin(), response.results().end(),
                                                  [&](const v1::AnalyzerResult& result) {
                                                    return line ==
                                                           absl::StrCat(result.analyzer(), ": ", result.headline());
                                                  });
                             }),
              lines.end());
  // The video's line stands first.
  if (!lines.empty() && all > 1) lines.erase(lines.begin());
  return lines;
}

std::string Stats(const v1::AnalyzeResponse& response, const Terminal& terminal) {
  const v1::AnalyzeStats& stats = response.stats();
  const absl::Duration elapsed = FromProto(stats.elapsed());
  const absl::Duration duration = Analyzed(response);
  std::vector<std::string> facts = {absl::StrCat("done in ", FormatLength(elapsed))};
  if (elapsed > absl::ZeroDuration()) {
    facts.push_back(absl::StrFormat("%.1f times as fast as it plays", absl::FDivDuration(duration, elapsed)));
  }
  facts.push_back(absl::StrCat(FormatCount(stats.frames_decoded()), " frames decoded"));
  facts.push_back(absl::StrCat(FormatCount(stats.frames_analyzed()), " analysed"));
  facts.push_back(absl::StrCat(FormatBytes(stats.source_bytes()), " read"));
  if (stats.sent_bytes() > 0) facts.push_back(absl::StrCat(FormatBytes(stats.sent_bytes()), " sent to services"));
  if (stats.replayed()) facts.push_back("answer of an earlier request with this id");
  std::string text = absl::StrCat("\n", Dim(terminal, Paragraph(terminal, 0, absl::StrJoin(facts, ", "))));
  std::vector<std::string> stages;
  for (const auto& stage : stats.stages()) {
    stages.push_back(absl::StrCat(stage.name(), " ", FormatLength(FromProto(stage.time()))));
  }
  if (!stages.empty()) {
    text += Dim(terminal, Paragraph(terminal, 0, absl::StrCat("stages, side by side: ", absl::StrJoin(stages, ", "))));
  }
  return text;
}

}  // namespace

std::string EnumWords(std::string enum_name) {
  return absl::AsciiStrToLower(absl::StrReplaceAll(enum_name, {{"_", " "}}));
}

std::string ModelsText(const google::protobuf::RepeatedPtrField<v1::ModelInfo>& models) {
  std::string text;
  for (int i = 0; i < models.size(); ++i) {
    const v1::ModelInfo& model = models.Get(i);
    const bool last_of_device = i + 1 == models.size() || models.Get(i + 1).device() != model.device();
    absl::StrAppend(&text, model.name(), model.version().empty() ? "" : " ", model.version());
    if (last_of_device && !model.device().empty()) absl::StrAppend(&text, " on ", model.device());
    if (i + 1 < models.size()) text += ", ";
  }
  return text;
}

std::string TextSummary(const std::string& name, const v1::AnalyzeResponse& response, const Terminal& terminal) {
  const Results found = Find(response);
  std::string text = absl::StrCat(Bold(terminal, Printable(name)), "\n",
                                  Paragraph(terminal, 2, Printable(VideoLine(response.video(), terminal))));
  if (const std::string part = PartLine(response); !part.empty()) text += Paragraph(terminal, 2, part);
  const std::vector<std::string> lines = SummaryLines(response);
  if (!lines.empty()) text += "\n";
  for (const std::string& line : lines) text += Paragraph(terminal, 2, Printable(line));
  text += Shots(response, found, terminal);
  if (found.cuts != nullptr) text += Cuts(*found.cuts, terminal);
  if (found.camera != nullptr) text += Camera(*found.camera, terminal);
  if (found.colors != nullptr) text += Colors(*found.colors, terminal);
  text += Analyzers(response, terminal);
  text += Models(response, terminal);
  text += Stats(response, terminal);
  return text;
}

}  // namespace reelsight::cli
