// SPDX-License-Identifier: Apache-2.0
#include "services/segmentation/background_segmentation/class_map.h"

#include <algorithm>
#include <cmath>

namespace reelsight::background_segmentation {
namespace {

using analysis::ImageSize;

// Logits with the classes of a cell side by side, and the highest of each cell.
struct Cells {
  int classes = 0;
  int width = 0;
  int height = 0;
  std::vector<float> logits;
  std::vector<uint8_t> highest;

  const float* At(int x, int y) const { return logits.data() + (static_cast<ptrdiff_t>(y) * width + x) * classes; }
  uint8_t HighestAt(int x, int y) const { return highest[static_cast<size_t>(y) * width + x]; }
};

Cells Arrange(const inference::Tensor& logits) {
  Cells cells;
  cells.classes = static_cast<int>(logits.shape()[1]);
  cells.height = static_cast<int>(logits.shape()[2]);
  cells.width = static_cast<int>(logits.shape()[3]);
  const size_t count = static_cast<size_t>(cells.width) * cells.height;
  const auto values = logits.values<float>();
  cells.logits.resize(count * cells.classes);
  cells.highest.resize(count);
  for (int label = 0; label < cells.classes; ++label) {
    for (size_t i = 0; i < count; ++i) cells.logits[i * cells.classes + label] = values[label * count + i];
  }
  for (size_t i = 0; i < count; ++i) {
    const float* const begin = cells.logits.data() + i * cells.classes;
    cells.highest[i] = static_cast<uint8_t>(std::max_element(begin, begin + cells.classes) - begin);
  }
  return cells;
}

struct Tap {
  int first = 0;
  int second = 0;
  float weight = 0;
};

std::vector<Tap> Taps(int in, int out) {
  std::vector<Tap> taps(static_cast<size_t>(out));
  for (int i = 0; i < out; ++i) {
    const double place = std::max(0.0, (i + 0.5) * in / out - 0.5);
    taps[i].first = std::min(static_cast<int>(place), in - 1);
    taps[i].second = std::min(taps[i].first + 1, in - 1);
    taps[i].weight = static_cast<float>(place - taps[i].first);
  }
  return taps;
}

}  // namespace

ClassMap EnlargedArgmax(const inference::Tensor& logits, ImageSize size) {
  const Cells cells = Arrange(logits);
  const std::vector<Tap> columns = Taps(cells.width, size.width_px), rows = Taps(cells.height, size.height_px);
  ClassMap map{size, {}};
  map.classes.reserve(static_cast<size_t>(size.width_px) * size.height_px);
  for (const Tap& row : rows) {
    for (const Tap& column : columns) {
      const uint8_t label = cells.HighestAt(column.first, row.first);
      if (label == cells.HighestAt(column.second, row.first) && label == cells.HighestAt(column.first, row.second) &&
          label == cells.HighestAt(column.second, row.second)) {
        map.classes.push_back(label);
        continue;
      }
      const float* const a = cells.At(column.first, row.first);
      const float* const b = cells.At(column.second, row.first);
      const float* const c = cells.At(column.first, row.second);
      const float* const d = cells.At(column.second, row.second);
      const float x = column.weight, y = row.weight;
      int highest = 0;
      float most = 0;
      for (int i = 0; i < cells.classes; ++i) {
        const float value = (1 - y) * ((1 - x) * a[i] + x * b[i]) + y * ((1 - x) * c[i] + x * d[i]);
        if (i == 0 || value > most) {
          most = value;
          highest = i;
        }
      }
      map.classes.push_back(static_cast<uint8_t>(highest));
    }
  }
  return map;
}

ClassMap SmallArgmax(const inference::Tensor& logits, ImageSize size) {
  const Cells cells = Arrange(logits);
  ClassMap map{size, {}};
  map.classes.reserve(static_cast<size_t>(size.width_px) * size.height_px);
  for (int y = 0; y < size.height_px; ++y) {
    for (int x = 0; x < size.width_px; ++x) {
      map.classes.push_back(
          cells.HighestAt(static_cast<int>((2 * int64_t{x} + 1) * cells.width / (2 * size.width_px)),
                          static_cast<int>((2 * int64_t{y} + 1) * cells.height / (2 * size.height_px))));
    }
  }
  return map;
}

}  // namespace reelsight::background_segmentation
