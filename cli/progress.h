// SPDX-License-Identifier: Apache-2.0
//
// Progress bars on a terminal: one for the decoder, one for each analyzer, one for an upload. ProgressView is the
// picture, made of plain values; ProgressBars draws it over and over.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/terminal.h"
#include "reelsight/v1/video_analysis_service.pb.h"
#include "shared/base/mutex.h"

namespace reelsight::cli {

// What is known of a run. Not thread-safe.
class ProgressView {
 public:
  explicit ProgressView(std::string title) : title_(std::move(title)) {}

  void Apply(const v1::VideoInfo& video);
  void Apply(const v1::AnalyzeStreamResponse::Progress& progress);
  void Apply(const v1::AnalyzerResult& result);
  void SetUpload(int64_t sent_bytes, int64_t total_bytes);

  // The lines to show, none wider than the terminal, without line ends.
  std::vector<std::string> Render(const Terminal& terminal, absl::Duration elapsed) const;

 private:
  struct Analyzer {
    double fraction = 0;
    int64_t frames = 0;
    // Set once the result is there.
    bool finished = false;
    bool failed = false;
    std::string note;
  };

  std::string title_;
  v1::VideoInfo video_;
  double decoded_fraction_ = 0;
  int64_t frames_decoded_ = 0;
  int queue_position_ = 0;
  int64_t sent_bytes_ = 0;
  int64_t total_bytes_ = 0;
  bool started_ = false;
  std::map<std::string, Analyzer> analyzers_;
};

// Draws on `out`, over what it drew before, at most ten times a second. Does nothing on a stream that is not
// interactive. Thread-safe. The destructor takes the bars away.
class ProgressBars {
 public:
  // `out` must outlive the object.
  ProgressBars(std::string title, Terminal terminal, std::FILE* out);
  ~ProgressBars();
  ProgressBars(const ProgressBars&) = delete;
  ProgressBars& operator=(const ProgressBars&) = delete;

  template <typename Event>
  void Apply(const Event& event) {
    MutexLock lock(mutex_);
    view_.Apply(event);
    Draw(/*force=*/false);
  }
  void SetUpload(int64_t sent_bytes, int64_t total_bytes);
  // Takes the bars away, for instance to print something; the next event draws them again.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(bool force) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Terminal terminal_;
  std::FILE* const out_;
  const Clock::time_point start_ = Clock::now();

  Mutex mutex_;
  ProgressView view_ ABSL_GUARDED_BY(mutex_);
  Clock::time_point last_draw_ ABSL_GUARDED_BY(mutex_);
  // Of each line on the screen.
  std::vector<int> drawn_columns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace reelsight::cli
