// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/background_analyzer.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "reelsight/v1/background_segmentation.pb.h"
#include "services/model_analyzer/model_analyzer.h"
#include "services/model_analyzer/target_pictures.h"
#include "services/segmentation/background_segmentation/background_payload.h"
#include "services/segmentation/background_segmentation/segmenter.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"

namespace reelsight::background_segmentation {
namespace {

using config::v1::ModelEntry;
using v1::BackgroundSegmentationOptions;
using Result = v1::BackgroundSegmentationResult;

constexpr char kPerson[] = "person";
constexpr int kDefaultMaskSidePx = 256;
constexpr int kMaxFrameClasses = 8;
constexpr int kMaxClasses = 16;
// Of all masks of a result.
constexpr int64_t kMaxMaskBytes = 16 << 20;
// Least share of the pixels that counts as people being there.
constexpr float kMinPeopleShare = 0.01F;
// A pixel of a matte from here on is a person's.
constexpr uint8_t kForeground = 128;

// Largest first, of equals by label; at most `count`.
template <typename Shares>
void SortAndCut(Shares* shares, int count) {
  std::sort(shares->begin(), shares->end(), [](const Result::ClassShare& a, const Result::ClassShare& b) {
    return a.share() != b.share() ? a.share() > b.share() : a.label() < b.label();
  });
  if (shares->size() > count) shares->DeleteSubrange(count, shares->size() - count);
}

void AddShares(const ClassMap& map, const ModelEntry& entry, Result::Frame* frame) {
  std::array<int64_t, 256> counts{};
  for (const uint8_t label : map.classes) ++counts[label];
  // Labels may repeat: their shares add up.
  std::map<std::string, int64_t> by_label;
  for (int label = 0; label < 256; ++label) {
    if (counts[label] > 0) by_label[model_analyzer::LabelOf(entry, label)] += counts[label];
  }
  for (const auto& [label, count] : by_label) {
    const float share = static_cast<float>(count) / static_cast<float>(map.classes.size());
    Result::ClassShare& out = *frame->add_classes();
    out.set_label(label);
    out.set_share(share);
    if (label == kPerson) frame->set_foreground_share(share);
  }
}

absl::Status AddMask(const Segmentation& segmentation, const ModelEntry& entry,
                     const BackgroundSegmentationOptions& options, Result::Frame* frame) {
  const int max_side_px = options.has_mask_max_side_px() ? options.mask_max_side_px() : kDefaultMaskSidePx;
  const bool png = options.mask_format() == BackgroundSegmentationOptions::PNG;
  GreyImage mask;
  if (segmentation.matte.has_value()) {
    mask = ShrinkByMean(*segmentation.matte, max_side_px);
  } else {
    mask = ShrinkByNearest({segmentation.classes->size, segmentation.classes->classes}, max_side_px);
    if (!png) {
      for (uint8_t& pixel : mask.pixels) pixel = model_analyzer::LabelOf(entry, pixel) == kPerson ? 255 : 0;
    }
  }
  frame->mutable_mask()->set_width_px(mask.size.width_px);
  frame->mutable_mask()->set_height_px(mask.size.height_px);
  if (png) {
    ASSIGN_OR_RETURN(*frame->mutable_mask()->mutable_png(), EncodePng(mask));
  } else {
    const std::vector<int32_t> lengths = EncodeRunLengths(mask);
    frame->mutable_mask()->mutable_rle()->mutable_lengths()->Add(lengths.begin(), lengths.end());
  }
  return absl::OkStatus();
}

// Spans of frames with people in them, for the timeline.
void AddSpans(const Result& result, const analyzer::v1::SummarizeRequest& request,
              analyzer::v1::SummarizeResponse* response) {
  for (const analyzer::v1::Segment& segment : request.segments()) {
    const absl::Duration start = analysis::FromProto(segment.start_offset());
    const absl::Duration end = analysis::FromProto(segment.end_offset());
    analyzer::v1::TimelineEntry* open = nullptr;
    double sum = 0;
    int count = 0;
    const auto close = [&](const google::protobuf::Duration& offset) {
      if (open == nullptr) return;
      *open->mutable_end_offset() = offset;
      open->set_label(absl::StrFormat("people, %.0f%% of the picture", 100 * sum / count));
      open = nullptr;
    };
    for (const Result::Frame& frame : result.frames()) {
      const absl::Duration offset = analysis::FromProto(frame.offset());
      if (offset < start || offset >= end) continue;
      if (frame.foreground_share() < kMinPeopleShare) {
        close(frame.offset());
        continue;
      }
      if (open == nullptr) {
        open = response->add_timeline();
        open->set_score(1);
        *open->mutable_start_offset() = frame.offset();
        sum = count = 0;
      }
      sum += frame.foreground_share();
      ++count;
    }
    close(segment.end_offset());
  }
}

std::string MakeHeadline(const Result& result) {
  if (result.frames().empty()) return "no frame was sampled";
  const auto with = std::count_if(result.frames().begin(), result.frames().end(), [](const Result::Frame& frame) {
    return frame.foreground_share() >= kMinPeopleShare;
  });
  std::string headline = absl::StrFormat("people in %d of %d frames, %.1f%% of the pixels", with, result.frames_size(),
                                         100 * result.foreground_share());
  int named = 0;
  for (const Result::ClassShare& share : result.classes()) {
    if (share.label() == kPerson || named == 3) continue;
    absl::StrAppendFormat(&headline, "%s%s %.0f%%", named++ == 0 ? "; " : ", ", share.label(), 100 * share.share());
  }
  return headline;
}

bool WantsMasks(const BackgroundSegmentationOptions& options) {
  return options.mask_format() == BackgroundSegmentationOptions::PNG ||
         options.mask_format() == BackgroundSegmentationOptions::RLE;
}

class BackgroundAnalyzer final : public model_analyzer::OneModelAnalyzer<BackgroundSegmentationOptions, Result> {
 public:
  explicit BackgroundAnalyzer(inference::ModelSource& models)
      : OneModelAnalyzer({.name = "background_segmentation",
                          .description = "People and background: shares of the picture over time, and masks",
                          .max_side_px = 512,
                          .sample_fps = 2,
                          .reference_min_interval = 15,
                          .reference_divisor = 2},
                         models) {}

 private:
  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view,
                                                        const BackgroundSegmentationOptions& options,
                                                        const inference::Model& model,
                                                        const CancelToken& cancel) const override {
    ASSIGN_OR_RETURN(const Segmenter segmenter, Segmenter::Create(model));
    ASSIGN_OR_RETURN(const std::vector<inference::Sample> outputs,
                     model_analyzer::RunOnTargets(view, model, cancel, [&](const analysis::Image& picture) {
                       return segmenter.MakeSample(picture);
                     }));
    const std::vector<const analysis::Image*> pictures = model_analyzer::TargetPictures(view);
    std::vector<std::string> payloads;
    for (size_t i = 0; i < pictures.size(); ++i) {
      RETURN_IF_ERROR(cancel.status());
      ASSIGN_OR_RETURN(const Segmentation segmentation, segmenter.Read(outputs[i], pictures[i]->size()));
      Result::Frame frame;
      if (segmentation.matte.has_value()) {
        const std::vector<uint8_t>& pixels = segmentation.matte->pixels;
        const auto people = std::count_if(pixels.begin(), pixels.end(), [](uint8_t p) { return p >= kForeground; });
        frame.set_foreground_share(static_cast<float>(people) / static_cast<float>(pixels.size()));
      } else {
        AddShares(*segmentation.classes, model.entry(), &frame);
      }
      if (WantsMasks(options)) RETURN_IF_ERROR(AddMask(segmentation, model.entry(), options, &frame));
      payloads.push_back(EncodeFrame(std::move(frame)));
    }
    return payloads;
  }

  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const BackgroundSegmentationOptions& /*options*/,
                      const ModelEntry& /*entry*/, const CancelToken& cancel, Result* result,
                      analyzer::v1::SummarizeResponse* response) const override {
    std::map<std::string, double> sums;
    double people = 0;
    int64_t mask_bytes = 0;
    int dropped_masks = 0;
    for (const analyzer::v1::FrameResult& payload : request.results()) {
      RETURN_IF_ERROR(cancel.status());
      Result::Frame& frame = *result->add_frames();
      ASSIGN_OR_RETURN(frame, DecodeFrame(payload.payload()));
      *frame.mutable_offset() = payload.offset();
      people += frame.foreground_share();
      for (const Result::ClassShare& share : frame.classes()) sums[share.label()] += share.share();
      SortAndCut(frame.mutable_classes(), kMaxFrameClasses);
      if (!frame.has_mask()) continue;
      mask_bytes += static_cast<int64_t>(frame.mask().ByteSizeLong());
      if (mask_bytes <= kMaxMaskBytes) continue;
      frame.clear_mask();
      ++dropped_masks;
    }
    const int count = std::max(1, result->frames_size());
    result->set_foreground_share(static_cast<float>(people / count));
    for (const auto& [label, sum] : sums) {
      Result::ClassShare& share = *result->add_classes();
      share.set_label(label);
      share.set_share(static_cast<float>(sum / count));
    }
    SortAndCut(result->mutable_classes(), kMaxClasses);
    AddSpans(*result, request, response);
    response->set_headline(MakeHeadline(*result));
    if (dropped_masks > 0) {
      response->set_warning(
          absl::StrFormat("the masks of the last %d frames were left out: together they are more than "
                          "16 MiB; ask for a smaller mask_max_side_px or a shorter segment",
                          dropped_masks));
    }
    return absl::OkStatus();
  }
};

}  // namespace

std::unique_ptr<analysis::Analyzer> MakeBackgroundAnalyzer(inference::ModelSource& models) {
  return std::make_unique<BackgroundAnalyzer>(models);
}

}  // namespace reelsight::background_segmentation
