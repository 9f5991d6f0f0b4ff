// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/thumbnail.h"

#include "libyuv/convert_argb.h"
#include "opencv2/imgproc.hpp"

namespace reelsight::cut_analysis {
namespace {

using Plane = std::array<uint8_t, static_cast<size_t>(kThumbnailWidthPx) * kThumbnailHeightPx>;

Plane Shrink(const uint8_t* plane, int width_px, int height_px) {
  const cv::Mat source(height_px, width_px, CV_8UC1, const_cast<uint8_t*>(plane));
  Plane cells;
  cv::Mat target(kThumbnailHeightPx, kThumbnailWidthPx, CV_8UC1, cells.data());
  cv::resize(source, target, target.size(), 0, 0, cv::INTER_AREA);
  return cells;
}

}  // namespace

std::string MakeThumbnail(const I420View& image) {
  const int chroma_width = (image.width_px + 1) / 2, chroma_height = (image.height_px + 1) / 2;
  const Plane y = Shrink(image.y, image.width_px, image.height_px);
  const Plane u = Shrink(image.u, chroma_width, chroma_height);
  const Plane v = Shrink(image.v, chroma_width, chroma_height);
  std::string thumbnail(kThumbnailBytes, '\0');
  // BT.601, limited range; libyuv's RAW is R, G, B in memory.
  std::array<uint8_t, size_t{4} * kThumbnailWidthPx * kThumbnailHeightPx> bgra;
  libyuv::I444ToARGB(y.data(), kThumbnailWidthPx, u.data(), kThumbnailWidthPx, v.data(), kThumbnailWidthPx, bgra.data(),
                     4 * kThumbnailWidthPx, kThumbnailWidthPx, kThumbnailHeightPx);
  for (size_t i = 0; i < y.size(); ++i) {
    for (size_t channel = 0; channel < 3; ++channel) {
      thumbnail[3 * i + channel] = static_cast<char>(bgra[4 * i + 2 - channel]);
    }
  }
  return thumbnail;
}

}  // namespace reelsight::cut_analysis
