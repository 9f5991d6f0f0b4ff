// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/cut_analysis/transnet.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <future>

#include "absl/strings/str_cat.h"
#include "services/lightweight/cut_analysis/thumbnail.h"
#include "shared/base/status.h"

namespace reelsight::cut_analysis {
namespace {

using inference::DType;
using inference::Sample;
using inference::Tensor;

constexpr int kWindow = 100;
constexpr int kStep = 50;
constexpr int kPadding = 25;
// Windows handed to the model together: enough to keep several processors busy.
constexpr int kWindowsAtOnce = 16;

absl::Status WrongModel(const inference::Model& model, const std::string& what) {
  return MakeError(absl::StatusCode::kInternal, Reason::kInvalidModelOutput,
                   absl::StrCat("cut_analysis: ", model.entry().name(), " is no TransNetV2: ", what));
}

// Window `index` of the padded series.
Tensor MakeWindow(const ThumbnailSeries& thumbnails, int index, DType type) {
  Tensor tensor(type, {1, kWindow, kThumbnailHeightPx, kThumbnailWidthPx, 3});
  for (int i = 0; i < kWindow; ++i) {
    const int frame = std::clamp(index * kStep - kPadding + i, 0, thumbnails.count - 1);
    const std::string pixels = thumbnails.at(frame);
    if (type == DType::kUint8) {
      std::memcpy(tensor.mutable_values<uint8_t>().data() + i * kThumbnailBytes, pixels.data(), kThumbnailBytes);
    } else {
      std::transform(pixels.begin(), pixels.end(), tensor.mutable_values<float>().data() + i * kThumbnailBytes,
                     [](char value) { return static_cast<float>(static_cast<uint8_t>(value)); });
    }
  }
  return tensor;
}

// `samples` through the model, each on whichever of as many threads as the model serves at once is free.
absl::StatusOr<std::vector<Sample>> RunOnThreads(const inference::Model& model, std::vector<Sample> samples,
                                                 const std::string& client, const CancelToken& cancel) {
  const size_t threads = std::clamp<size_t>(model.concurrency(), 1, samples.size());
  if (threads == 1) return model.Run(client, std::move(samples), cancel);
  std::vector<Sample> outputs(samples.size());
  std::atomic<size_t> next = 0;
  const auto run = [&]() -> absl::Status {
    for (size_t i = next++; i < samples.size(); i = next++) {
      std::vector<Sample> one;
      one.push_back(std::move(samples[i]));
      absl::StatusOr<std::vector<Sample>> output = model.Run(client, std::move(one), cancel);
      // The others stop too.
      if (!output.ok()) next = samples.size();
      RETURN_IF_ERROR(output.status());
      outputs[i] = std::move(output->front());
    }
    return absl::OkStatus();
  };
  // Where no thread can be had, std::async runs its share in get().
  std::vector<std::future<absl::Status>> others;
  for (size_t i = 1; i < threads; ++i) others.push_back(std::async(run));
  absl::Status status = run();
  for (auto& other : others) status.Update(other.get());
  RETURN_IF_ERROR(status);
  return outputs;
}

// Short series one after another. Between two of them the last frame of the one and the first of the other are
// repeated, as they are at the ends of a long one, but no more often than there are frames beside: windows must not
// fill with repetitions.
class SharedSeries {
 public:
  // Borrows `series`, which is not empty. Returns where it begins.
  size_t Add(const ThumbnailSeries& series) {
    const int repeats = std::min(series.count / 2, kPadding / 2);
    if (!frames_.empty()) {
      frames_.insert(frames_.end(), static_cast<size_t>(last_repeats_), frames_.back());
      frames_.insert(frames_.end(), static_cast<size_t>(repeats), Frame{&series, 0});
    }
    last_repeats_ = repeats;
    const size_t start = frames_.size();
    for (int i = 0; i < series.count; ++i) frames_.push_back({&series, i});
    return start;
  }
  // All of them as one; borrows this.
  ThumbnailSeries whole() const {
    return {static_cast<int>(frames_.size()), [this](int index) {
              const Frame& frame = frames_[static_cast<size_t>(index)];
              return frame.series->at(frame.index);
            }};
  }

 private:
  struct Frame {
    const ThumbnailSeries* series;
    int index;
  };
  std::vector<Frame> frames_;
  int last_repeats_ = 0;
};

ShotProbabilities Part(const ShotProbabilities& whole, size_t start, size_t count) {
  ShotProbabilities part;
  part.boundary.assign(whole.boundary.begin() + start, whole.boundary.begin() + start + count);
  part.transition.assign(whole.transition.begin() + start, whole.transition.begin() + start + count);
  // What comes after it belongs to another series.
  if (start + count < whole.boundary.size()) part.boundary.back() = part.transition.back() = 0;
  return part;
}

}  // namespace

absl::StatusOr<ShotProbabilities> RunTransNet(const inference::Model& model, const ThumbnailSeries& thumbnails,
                                              const std::string& client, const CancelToken& cancel) {
  if (model.inputs().size() != 1 || model.outputs().size() != 2) return WrongModel(model, "one input, two outputs");
  const DType type = model.inputs()[0].type;
  if (type != DType::kUint8 && type != DType::kFloat32) return WrongModel(model, "an input of uint8 or float32");
  ShotProbabilities probabilities;
  if (thumbnails.count == 0) return probabilities;
  const int window_count = (thumbnails.count + kStep - 1) / kStep;
  for (int next = 0; next < window_count; next += kWindowsAtOnce) {
    RETURN_IF_ERROR(cancel.status());
    std::vector<Sample> samples;
    for (int window = next; window < std::min(window_count, next + kWindowsAtOnce); ++window) {
      samples.push_back({MakeWindow(thumbnails, window, type)});
    }
    ASSIGN_OR_RETURN(const std::vector<Sample> outputs, RunOnThreads(model, std::move(samples), client, cancel));
    for (const Sample& output : outputs) {
      for (const Tensor& tensor : output) {
        if (output.size() != 2 || tensor.count() != kWindow || tensor.type() != DType::kFloat32) {
          return WrongModel(model,
                            absl::StrCat("two outputs of 100 values, got ", inference::ShapeText(tensor.shape())));
        }
      }
      const auto middle = [](const Tensor& tensor) { return tensor.values<float>().subspan(kPadding, kStep); };
      const auto boundary = middle(output[0]), transition = middle(output[1]);
      probabilities.boundary.insert(probabilities.boundary.end(), boundary.begin(), boundary.end());
      probabilities.transition.insert(probabilities.transition.end(), transition.begin(), transition.end());
    }
  }
  probabilities.boundary.resize(static_cast<size_t>(thumbnails.count));
  probabilities.transition.resize(static_cast<size_t>(thumbnails.count));
  return probabilities;
}

absl::StatusOr<std::vector<ShotProbabilities>> RunTransNetOnSeries(const inference::Model& model,
                                                                   std::span<const ThumbnailSeries> series,
                                                                   const std::string& client,
                                                                   const CancelToken& cancel) {
  std::vector<ShotProbabilities> probabilities(series.size());
  SharedSeries shared;
  std::vector<size_t> starts(series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    if (series[i].count >= kStep) {
      ASSIGN_OR_RETURN(probabilities[i], RunTransNet(model, series[i], client, cancel));
    } else if (series[i].count > 1) {
      starts[i] = shared.Add(series[i]);
    } else {
      probabilities[i].boundary.resize(static_cast<size_t>(series[i].count));
      probabilities[i].transition.resize(static_cast<size_t>(series[i].count));
    }
  }
  ASSIGN_OR_RETURN(const ShotProbabilities whole, RunTransNet(model, shared.whole(), client, cancel));
  for (size_t i = 0; i < series.size(); ++i) {
    if (probabilities[i].empty() && series[i].count > 0) {
      probabilities[i] = Part(whole, starts[i], static_cast<size_t>(series[i].count));
    }
  }
  return probabilities;
}

std::vector<std::pair<int, int>> PublishedScenes(std::span<const float> boundary, float threshold) {
  std::vector<std::pair<int, int>> scenes;
  const auto count = static_cast<int>(boundary.size());
  int start = 0;
  bool inside = false;
  for (int i = 0; i < count; ++i) {
    const bool above = boundary[i] > threshold;
    if (inside && !above) start = i;
    if (!inside && above && i != 0) scenes.emplace_back(start, i);
    inside = above;
  }
  if (count > 0 && !inside) scenes.emplace_back(start, count - 1);
  if (scenes.empty() && count > 0) scenes.emplace_back(0, count - 1);
  return scenes;
}

}  // namespace reelsight::cut_analysis
