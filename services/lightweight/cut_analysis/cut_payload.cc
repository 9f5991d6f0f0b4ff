// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/cut_payload.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "reelsight/payload/v1/cut_analysis.pb.h"
#include "services/frame_payload/frame_payload.h"
#include "services/lightweight/cut_analysis/thumbnail.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

using payload::v1::CutAnalysisPayload;

constexpr char kName[] = "cut_analysis";

template <typename Container>
std::string ToBytes(const Container& values) {
  return {values.begin(), values.end()};
}

template <size_t kBins>
bool ReadHistogram(const std::string& bytes, std::array<uint8_t, kBins>* out) {
  if (bytes.size() != kBins) return false;
  std::copy(bytes.begin(), bytes.end(), out->begin());
  return true;
}

bool IsSide(int cells) {
  return cells % 2 == 0 && cells >= FrameFeatures::kMinSide && cells <= FrameFeatures::kMaxSide;
}

bool ReadGrid(const std::string& bytes, size_t cells, std::vector<uint8_t>* out) {
  out->assign(bytes.begin(), bytes.end());
  return bytes.size() == cells;
}

}  // namespace

std::string EncodeFrame(const FrameFeatures& features, std::string thumbnail) {
  CutAnalysisPayload payload;
  payload.set_grid_width(features.grid_width);
  payload.set_grid_height(features.grid_height);
  payload.set_luma(ToBytes(features.luma));
  payload.set_u(ToBytes(features.u));
  payload.set_v(ToBytes(features.v));
  payload.set_luma_histogram(ToBytes(features.luma_histogram));
  payload.set_u_histogram(ToBytes(features.u_histogram));
  payload.set_v_histogram(ToBytes(features.v_histogram));
  payload.set_detail(features.detail);
  payload.set_thumbnail(std::move(thumbnail));
  return frame_payload::EncodePayload(payload);
}

absl::StatusOr<CutFrame> DecodeFrame(std::string_view payload) {
  CutAnalysisPayload read;
  RETURN_IF_ERROR(frame_payload::DecodePayload(kName, payload, &read));
  CutFrame frame{.has_thumbnail = !read.thumbnail().empty()};
  FrameFeatures& features = frame.features;
  features.grid_width = read.grid_width();
  features.grid_height = read.grid_height();
  features.detail = static_cast<uint16_t>(read.detail());
  const size_t cells = IsSide(features.grid_width) && IsSide(features.grid_height)
                           ? static_cast<size_t>(features.grid_width) * static_cast<size_t>(features.grid_height)
                           : 0;
  if (cells == 0 || read.detail() > std::numeric_limits<uint16_t>::max() ||
      !ReadGrid(read.luma(), cells, &features.luma) || !ReadGrid(read.u(), cells / 4, &features.u) ||
      !ReadGrid(read.v(), cells / 4, &features.v) || !ReadHistogram(read.luma_histogram(), &features.luma_histogram) ||
      !ReadHistogram(read.u_histogram(), &features.u_histogram) ||
      !ReadHistogram(read.v_histogram(), &features.v_histogram) ||
      (frame.has_thumbnail && read.thumbnail().size() != kThumbnailBytes)) {
    return frame_payload::BadPayload(kName, "has grids of another size");
  }
  return frame;
}

std::string ThumbnailOf(std::string_view payload) {
  CutAnalysisPayload read;
  if (!frame_payload::DecodePayload(kName, payload, &read).ok()) return "";
  return std::move(*read.mutable_thumbnail());
}

}  // namespace reelsight::cut_analysis
