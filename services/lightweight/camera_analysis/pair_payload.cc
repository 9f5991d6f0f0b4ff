// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/camera_analysis/pair_payload.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "opencv2/imgproc.hpp"
#include "shared/base/status.h"

namespace reelsight::camera_analysis {
namespace {

using ::google::protobuf::io::CodedInputStream;
using ::google::protobuf::io::CodedOutputStream;

constexpr uint8_t kVersion = 2;
// A frame is followed from its neighbour and from one further back.
constexpr uint32_t kMaxFollowed = 2;
enum Flags : uint32_t { kHasPair = 1, kRepeated = 2 };

bool ReadDouble(CodedInputStream& in, double& value) {
  uint64_t bits = 0;
  if (!in.ReadLittleEndian64(&bits)) return false;
  value = std::bit_cast<double>(bits);
  return std::isfinite(value);
}

bool ReadMotion(CodedInputStream& in, GlobalMotion& motion) {
  uint32_t points = 0;
  if (!in.ReadVarint32(&points) || !ReadDouble(in, motion.shift_x_px) || !ReadDouble(in, motion.shift_y_px) ||
      !ReadDouble(in, motion.log_scale) || !ReadDouble(in, motion.turn_radians) ||
      !ReadDouble(in, motion.inlier_share)) {
    return false;
  }
  motion.points = static_cast<int>(points);
  return motion.inlier_share >= 0 && motion.inlier_share <= 1;
}

bool ReadFollowed(CodedInputStream& in, std::vector<FollowedMotion>& followed) {
  uint32_t count = 0;
  if (!in.ReadVarint32(&count) || count > kMaxFollowed) return false;
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t offset = 0;
    FollowedMotion& one = followed.emplace_back();
    if (!in.ReadLittleEndian64(&offset) || !ReadMotion(in, one.motion)) return false;
    one.earlier_offset = absl::Nanoseconds(static_cast<int64_t>(offset));
  }
  return true;
}

bool ReadThumbnail(CodedInputStream& in, PairPayload& pair) {
  uint32_t width = 0, height = 0;
  if (!in.ReadVarint32(&width) || !in.ReadVarint32(&height) || width == 0 || height == 0 || width > kThumbnailSidePx ||
      height > kThumbnailSidePx) {
    return false;
  }
  auto image = std::make_shared<analysis::Image>(
      analysis::PixelFormat::kGray8, analysis::ImageSize{static_cast<int>(width), static_cast<int>(height)});
  if (!in.ReadRaw(image->mutable_plane(0), static_cast<int>(width * height))) return false;
  pair.thumbnail = std::move(image);
  return true;
}

bool Read(CodedInputStream& in, PairPayload& pair) {
  uint8_t version = 0;
  uint32_t flags = 0;
  if (!in.ReadRaw(&version, 1) || version != kVersion || !in.ReadVarint32(&flags)) return false;
  if (!ReadThumbnail(in, pair) || !ReadFollowed(in, pair.followed)) return false;
  pair.has_pair = (flags & kHasPair) != 0;
  if (!pair.has_pair) return true;
  GlobalMotion& motion = pair.motion;
  motion.repeated = (flags & kRepeated) != 0;
  uint64_t offset = 0;
  uint32_t width = 0, height = 0;
  if (!in.ReadLittleEndian64(&offset) || !in.ReadVarint32(&width) || !in.ReadVarint32(&height) ||
      !ReadMotion(in, motion)) {
    return false;
  }
  pair.earlier_offset = absl::Nanoseconds(static_cast<int64_t>(offset));
  pair.width_px = static_cast<int>(width);
  pair.height_px = static_cast<int>(height);
  return width > 0 && height > 0 && width <= 65536 && height <= 65536;
}

void WriteMotion(const GlobalMotion& motion, CodedOutputStream& out) {
  out.WriteVarint32(static_cast<uint32_t>(motion.points));
  for (const double value :
       {motion.shift_x_px, motion.shift_y_px, motion.log_scale, motion.turn_radians, motion.inlier_share}) {
    out.WriteLittleEndian64(std::bit_cast<uint64_t>(value));
  }
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
  std::string payload;
  {
    google::protobuf::io::StringOutputStream stream(&payload);
    CodedOutputStream out(&stream);
    out.WriteRaw(&kVersion, 1);
    const GlobalMotion& motion = pair.motion;
    out.WriteVarint32((pair.has_pair ? kHasPair : 0U) | (pair.has_pair && motion.repeated ? kRepeated : 0U));
    out.WriteVarint32(static_cast<uint32_t>(pair.thumbnail->width_px()));
    out.WriteVarint32(static_cast<uint32_t>(pair.thumbnail->height_px()));
    out.WriteRaw(pair.thumbnail->plane(0), static_cast<int>(pair.thumbnail->bytes().size()));
    out.WriteVarint32(static_cast<uint32_t>(pair.followed.size()));
    for (const FollowedMotion& followed : pair.followed) {
      out.WriteLittleEndian64(static_cast<uint64_t>(absl::ToInt64Nanoseconds(followed.earlier_offset)));
      WriteMotion(followed.motion, out);
    }
    if (pair.has_pair) {
      out.WriteLittleEndian64(static_cast<uint64_t>(absl::ToInt64Nanoseconds(pair.earlier_offset)));
      out.WriteVarint32(static_cast<uint32_t>(pair.width_px));
      out.WriteVarint32(static_cast<uint32_t>(pair.height_px));
      WriteMotion(motion, out);
    }
  }
  // It stays in memory until Summarize.
  payload.shrink_to_fit();
  return payload;
}

absl::StatusOr<PairPayload> DecodePair(std::string_view payload) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(payload.data()), static_cast<int>(payload.size()));
  PairPayload pair;
  if (!Read(in, pair) || in.CurrentPosition() != static_cast<int>(payload.size())) {
    return InvalidArgument(Reason::kBadFrame,
                           "camera_analysis: a frame result is not of this version; run all replicas at one version");
  }
  return pair;
}

}  // namespace reelsight::camera_analysis
