// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_analyzer.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "reelsight/v1/text_overlay.pb.h"
#include "services/detection/text_overlay/craft_crnn_reader.h"
#include "services/detection/text_overlay/pp_ocr_reader.h"
#include "services/detection/text_overlay/text_joiner.h"
#include "services/detection/text_overlay/text_models.h"
#include "services/detection/text_overlay/text_payload.h"
#include "services/detection/text_overlay/text_reader.h"
#include "services/model_analyzer/model_analyzer.h"
#include "services/model_analyzer/target_pictures.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/service/model_description.h"

namespace reelsight::text_overlay {
namespace {

using v1::TextOverlayOptions;
using v1::TextOverlayResult;

constexpr char kName[] = "text_overlay";
constexpr float kDefaultMinScore = 0.6F;
// Weaker readings of single frames are not kept.
constexpr float kWeakScore = 0.3F;
// Texts in the headline, and their length.
constexpr int kHeadlineTexts = 3;

v1::TextOverlayResult::Position ToProto(Position position) {
  switch (position) {
    case Position::kCaption:
      return TextOverlayResult::CAPTION;
    case Position::kTitle:
      return TextOverlayResult::TITLE;
    case Position::kCorner:
      return TextOverlayResult::CORNER;
    case Position::kOther:
      return TextOverlayResult::OTHER;
    case Position::kMoving:
      return TextOverlayResult::MOVING;
  }
  return TextOverlayResult::OTHER;
}

template <typename Message>
void SetQuad(const Quad& quad, const FrameText& frame, Message* out) {
  for (const Point& corner : quad) {
    v1::NormalizedPoint& point = *out->add_quad();
    point.set_x(std::clamp(corner.x / static_cast<float>(frame.width_px), 0.0F, 1.0F));
    point.set_y(std::clamp(corner.y / static_cast<float>(frame.height_px), 0.0F, 1.0F));
  }
}

void AddEvents(const std::vector<TimedText>& frames, const std::vector<TextEvent>& events, TextOverlayResult* result) {
  const auto reading_at = [&](const TextEvent::Observation& at) -> const Reading& {
    return frames[at.frame].frame.text.readings[at.reading];
  };
  for (const TextEvent& event : events) {
    TextOverlayResult::Event& out = *result->add_events();
    const Reading& best = reading_at(event.best);
    out.set_text(best.text);
    out.set_score(best.score);
    out.set_position(ToProto(event.position));
    *out.mutable_start_offset() = analysis::ToProto(event.start);
    *out.mutable_end_offset() = analysis::ToProto(event.end);
    SetQuad(best.quad, frames[event.best.frame].frame, &out);
    for (const TextEvent::Observation& at : event.observations) {
      TextOverlayResult::Observation& observation = *out.add_observations();
      const Reading& reading = reading_at(at);
      *observation.mutable_offset() = analysis::ToProto(frames[at.frame].offset);
      observation.set_text(reading.text);
      observation.set_score(reading.score);
      SetQuad(reading.quad, frames[at.frame].frame, &observation);
    }
  }
}

// For instance `4 texts: "SUBSCRIBE", "day 1", "@someone" and more`.
std::string MakeHeadline(const TextOverlayResult& result) {
  if (result.events().empty()) return "no text";
  std::string headline = absl::StrCat(result.events_size(), result.events_size() == 1 ? " text: " : " texts: ");
  for (int i = 0; i < std::min(kHeadlineTexts, result.events_size()); ++i) {
    absl::StrAppend(&headline, i == 0 ? "" : ", ", "\"", result.events(i).text(), "\"");
  }
  if (result.events_size() > kHeadlineTexts) absl::StrAppend(&headline, " and more");
  return headline;
}

class TextAnalyzer final : public model_analyzer::ModelAnalyzer<TextOverlayOptions, TextOverlayResult> {
 public:
  explicit TextAnalyzer(inference::ModelSource& models)
      : ModelAnalyzer({.name = kName,
                       .description = "Text, when it appears and goes, and where it stands",
                       .max_side_px = 960,
                       .sample_fps = 1,
                       .reference_min_interval = 30,
                       .reference_divisor = 1},
                      models) {}

 private:
  absl::StatusOr<model_analyzer::UsedModels> ModelsFor(const TextOverlayOptions& options) const override {
    ASSIGN_OR_RETURN(const TextModels chosen, ChooseModels(models(), options));
    model_analyzer::UsedModels used{chosen.all()};
    used.main = used.names.size() - 1;
    return used;
  }

  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view,
                                                        const TextOverlayOptions& options,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const std::unique_ptr<TextReader> reader, ReaderFor(view, options, cancel));
    const std::vector<const analysis::Image*> pictures = model_analyzer::TargetPictures(view);
    ASSIGN_OR_RETURN(std::vector<PictureText> texts, reader->Read(view.request_id, pictures, cancel));
    std::vector<std::string> payloads;
    for (size_t i = 0; i < texts.size(); ++i) {
      std::erase_if(texts[i].readings, [](const Reading& reading) { return reading.score < kWeakScore; });
      payloads.push_back(EncodeFrameText({pictures[i]->width_px(), pictures[i]->height_px(), std::move(texts[i])}));
    }
    return payloads;
  }

  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const TextOverlayOptions& options,
                      const CancelToken& cancel, TextOverlayResult* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    JoinOptions join;
    join.min_score = options.has_min_score() ? options.min_score() : kDefaultMinScore;
    if (options.has_min_score()) join.min_score_once = join.min_score_short = join.min_score;

    std::vector<TimedText> all;
    int crowded = 0;
    for (const analyzer::v1::FrameResult& frame : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(FrameText text, DecodeFrameText(frame.payload()));
      crowded += text.text.skipped_regions > 0 ? 1 : 0;
      all.push_back({analysis::FromProto(frame.offset()), std::move(text)});
    }
    for (const analyzer::v1::Segment& segment : request.segments()) {
      RETURN_IF_ERROR(cancel.status());
      const absl::Duration start = analysis::FromProto(segment.start_offset()),
                           end = analysis::FromProto(segment.end_offset());
      std::vector<TimedText> frames;
      for (const TimedText& text : all) {
        if (text.offset >= start && text.offset < end) frames.push_back(text);
      }
      if (!frames.empty()) AddEvents(frames, JoinTexts(frames, end, join), result);
    }
    for (const TextOverlayResult::Event& event : result->events()) {
      analyzer::v1::TimelineEntry& line = *response->add_timeline();
      line.set_label(event.text());
      line.set_score(event.score());
      *line.mutable_start_offset() = event.start_offset();
      *line.mutable_end_offset() = event.end_offset();
    }
    response->set_headline(MakeHeadline(*result));
    if (crowded > 0) {
      response->set_warning(absl::StrCat(crowded, crowded == 1 ? " frame holds" : " frames hold", " more than ",
                                         kMaxRegions, " lines of text; the smallest were not read"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<TextReader>> ReaderFor(const analysis::BatchView& view,
                                                        const TextOverlayOptions& options,
                                                        const CancelToken& cancel) const {
    ASSIGN_OR_RETURN(const TextModels names, ChooseModels(models(), options));
    const auto acquire = [&](const std::string& name) { return service::AcquireFor(view, models(), name, cancel); };
    ASSIGN_OR_RETURN(inference::PinnedModel detector, acquire(names.detector));
    ASSIGN_OR_RETURN(inference::PinnedModel recognizer, acquire(names.recognizer));
    if (names.classifier.empty()) return MakeCraftCrnnReader(std::move(detector), std::move(recognizer));
    ASSIGN_OR_RETURN(inference::PinnedModel classifier, acquire(names.classifier));
    return MakePpOcrReader(std::move(detector), std::move(classifier), std::move(recognizer));
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeTextAnalyzer(inference::ModelSource& models) {
  // Batches are what is parallel, not single pictures.
  cv::setNumThreads(1);
  return std::make_unique<TextAnalyzer>(models);
}

}  // namespace reelsight::text_overlay
