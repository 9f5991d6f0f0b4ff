// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/pair_payload.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "opencv2/imgproc.hpp"
#include "reelsight/payload/v1/camera_analysis.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "shared/base/status.h"

namespace reelsight::camera_analysis {
namespace {

using payload::v1::CameraAnalysisPayload;

constexpr char kName[] = "camera_analysis";
// A frame is followed from its neighbour and from one further back.
constexpr int kMaxFollowed = 2;
constexpr int kMaxSidePx = 65536;

void WriteMotion(absl::Duration earlier_offset, const GlobalMotion& motion, CameraAnalysisPayload::Motion* out) {
  out->set_earlier_offset_ns(absl::ToInt64Nanoseconds(earlier_offset));
  out->set_shift_x_px(motion.shift_x_px);
  out->set_shift_y_px(motion.shift_y_px);
  out->set_log_scale(motion.log_scale);
  out->set_turn_radians(motion.turn_radians);
  out->set_inlier_share(motion.inlier_share);
  out->set_points(motion.points);
  out->set_repeated(motion.repeated);
}

GlobalMotion ReadMotion(const CameraAnalysisPayload::Motion& in) {
  return {.shift_x_px = in.shift_x_px(),
          .shift_y_px = in.shift_y_px(),
          .log_scale = in.log_scale(),
          .turn_radians = in.turn_radians(),
          .inlier_share = in.inlier_share(),
          .points = in.points(),
          .repeated = in.repeated()};
}

bool IsSide(int side_px, int most_px) { return side_px > 0 && side_px <= most_px; }

bool IsMotion(const CameraAnalysisPayload::Motion& motion) {
  return motion.points() >= 0 && motion.inlier_share() >= 0 && motion.inlier_share() <= 1;
}

bool IsComplete(const CameraAnalysisPayload& payload) {
  const int width_px = payload.thumbnail_width_px(), height_px = payload.thumbnail_height_px();
  if (!IsSide(width_px, kThumbnailSidePx) || !IsSide(height_px, kThumbnailSidePx) ||
      payload.thumbnail().size() != static_cast<size_t>(width_px) * static_cast<size_t>(height_px) ||
      payload.followed_size() > kMaxFollowed ||
      !std::all_of(payload.followed().begin(), payload.followed().end(), IsMotion)) {
    return false;
  }
  return !payload.has_motion() || (IsMotion(payload.motion()) && IsSide(payload.width_px(), kMaxSidePx) &&
                                   IsSide(payload.height_px(), kMaxSidePx));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const analysis::Image>> MakeThumbnail(const analysis::Image& picture) {
  if (picture.format() != analysis::PixelFormat::kGray8) {
    return InvalidArgument(Reason::kBadFrame, "camera_analysis needs GRAY8 pictures; send what Describe asks for");
  }
  const double scale =
      std::min(1.0, static_cast<double>(kThumbnailSidePx) / std::max(picture.width_px(), picture.height_px()));
  const auto scaled = [scale](int side) { return std::max(1, static_cast<int>(std::lround(side * scale))); };
  auto thumbnail = std::make_shared<analysis::Image>(
      analysis::PixelFormat::kGray8, analysis::ImageSize{scaled(picture.width_px()), scaled(picture.height_px())});
  const cv::Mat from(picture.height_px(), picture.width_px(), CV_8UC1, const_cast<uint8_t*>(picture.plane(0)));
  cv::Mat to(thumbnail->height_px(), thumbnail->width_px(), CV_8UC1, thumbnail->mutable_plane(0));
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_AREA);
  return thumbnail;
}

std::string EncodePair(const PairPayload& pair) {
  CameraAnalysisPayload payload;
  payload.set_thumbnail_width_px(pair.thumbnail->width_px());
  payload.set_thumbnail_height_px(pair.thumbnail->height_px());
  payload.set_thumbnail(pair.thumbnail->plane(0), pair.thumbnail->bytes().size());
  for (const FollowedMotion& followed : pair.followed) {
    WriteMotion(followed.earlier_offset, followed.motion, payload.add_followed());
  }
  if (pair.has_pair) {
    payload.set_width_px(pair.width_px);
    payload.set_height_px(pair.height_px);
    WriteMotion(pair.earlier_offset, pair.motion, payload.mutable_motion());
  }
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<PairPayload> DecodePair(std::string_view payload) {
  CameraAnalysisPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  if (!IsComplete(read)) return frame_payload::BadPayload(kName, "has a size or a motion that cannot be");
  PairPayload pair;
  auto thumbnail = std::make_shared<analysis::Image>(
      analysis::PixelFormat::kGray8, analysis::ImageSize{read.thumbnail_width_px(), read.thumbnail_height_px()});
  std::copy(read.thumbnail().begin(), read.thumbnail().end(), thumbnail->mutable_plane(0));
  pair.thumbnail = std::move(thumbnail);
  for (const CameraAnalysisPayload::Motion& followed : read.followed()) {
    pair.followed.push_back({absl::Nanoseconds(followed.earlier_offset_ns()), ReadMotion(followed)});
  }
  pair.has_pair = read.has_motion();
  if (!pair.has_pair) return pair;
  pair.earlier_offset = absl::Nanoseconds(read.motion().earlier_offset_ns());
  pair.width_px = read.width_px();
  pair.height_px = read.height_px();
  pair.motion = ReadMotion(read.motion());
  return pair;
}

}  // namespace reelsight::camera_analysis
