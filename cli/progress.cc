// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/time_text.h"

namespace reelsight::cli {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
constexpr int kNameColumns = 20, kPercentColumns = 6;

// A bar of `columns`, filled to `fraction`; eighths of a column where the terminal shows them.
std::string Bar(double fraction, int columns, bool unicode) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  fraction = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  const int eighths = static_cast<int>(std::floor(fraction * columns * 8));
  const int whole = eighths / 8;
  std::string bar;
  if (!unicode) {
    bar.append(static_cast<size_t>(whole), '#');
    bar.append(static_cast<size_t>(columns - whole), '.');
    return bar;
  }
  for (int i = 0; i < whole; ++i) bar += "█";
  int used = whole;
  if (eighths % 8 != 0) {
    bar += kEighths[eighths % 8];
    ++used;
  }
  for (; used < columns; ++used) bar += "░";
  return bar;
}

// Name, bar, percentage, note. A narrow window has no room for the note, a very narrow one none for the bar.
std::string Line(const Terminal& terminal, const std::string& name, double fraction, const std::string& note) {
  // The last column stays free: some terminals wrap as soon as it is written.
  const int columns = terminal.width - 1;
  const int percent = std::isfinite(fraction) ? static_cast<int>(std::floor(std::clamp(fraction, 0.0, 1.0) * 100)) : 0;
  const int name_columns = std::min(kNameColumns, std::max(0, columns - kPercentColumns));
  std::string line = PadRight(Shorten(Printable(name), name_columns, terminal.unicode), name_columns);
  int room = columns - name_columns - kPercentColumns - 1;
  const int note_columns = columns >= 58 ? 2 + std::max(10, terminal.width / 3) : 0;
  const int bar_columns = std::min(room - note_columns, 40);
  if (bar_columns >= 4) {
    absl::StrAppend(&line, " ", Bar(fraction, bar_columns, terminal.unicode));
    room -= bar_columns;
  }
  absl::StrAppend(&line, absl::StrFormat("%*d%%", kPercentColumns - 1, percent));
  if (note_columns > 0) absl::StrAppend(&line, "  ", Shorten(Printable(note), room - 2, terminal.unicode));
  return Shorten(line, columns, terminal.unicode);
}

}  // namespace

void ProgressView::Apply(const v1::VideoInfo& video) {
  video_ = video;
  started_ = true;
}

void ProgressView::Apply(const v1::AnalyzeStreamResponse::Progress& progress) {
  // Messages may overtake each other on their way here: a bar never goes back.
  decoded_fraction_ = std::max<double>(decoded_fraction_, progress.decoded_fraction());
  frames_decoded_ = std::max(frames_decoded_, progress.frames_decoded());
  queue_position_ = progress.queue_position();
  if (queue_position_ == 0) started_ = true;
  for (const auto& one : progress.analyzers()) {
    Analyzer& analyzer = analyzers_[one.analyzer()];
    analyzer.fraction = std::max<double>(analyzer.fraction, one.fraction());
    analyzer.frames = std::max(analyzer.frames, one.frames_done());
  }
}

void ProgressView::Apply(const v1::AnalyzerResult& result) {
  Analyzer& analyzer = analyzers_[result.analyzer()];
  analyzer.finished = true;
  analyzer.failed = result.status().code() != v1::AnalyzerStatus::OK;
  analyzer.note = analyzer.failed ? absl::StrCat(v1::AnalyzerStatus::Code_Name(result.status().code()), ": ",
                                                 result.status().message())
                                  : result.headline();
  if (!analyzer.failed) analyzer.fraction = 1;
}

void ProgressView::SetUpload(int64_t sent_bytes, int64_t total_bytes) {
  sent_bytes_ = sent_bytes;
  total_bytes_ = total_bytes;
}

std::vector<std::string> ProgressView::Render(const Terminal& terminal, absl::Duration elapsed) const {
  std::vector<std::string> lines;
  std::string head = title_;
  if (video_.width_px() > 0) {
    absl::StrAppend(&head, "  ", video_.codec(), " ", video_.width_px(), "x", video_.height_px(), "  ",
                    FormatRate(std::round(video_.frame_rate() * 100) / 100), " fps");
  }
  const absl::Duration shown = absl::Floor(elapsed, absl::Milliseconds(100));
  if (shown > absl::ZeroDuration()) absl::StrAppend(&head, "  ", FormatLength(shown));
  lines.push_back(Bold(terminal, Shorten(Printable(head), terminal.width - 1, terminal.unicode)));
  if (total_bytes_ > 0 && !started_) {
    lines.push_back(Line(terminal, "upload", static_cast<double>(sent_bytes_) / static_cast<double>(total_bytes_),
                         absl::StrCat(FormatBytes(sent_bytes_), " of ", FormatBytes(total_bytes_))));
    return lines;
  }
  if (queue_position_ > 0) {
    lines.push_back(Shorten(absl::StrCat("waiting, place ", queue_position_, " in the queue"), terminal.width - 1,
                            terminal.unicode));
    return lines;
  }
  lines.push_back(Line(terminal, "decode", decoded_fraction_, absl::StrCat(FormatCount(frames_decoded_), " frames")));
  for (const auto& [name, analyzer] : analyzers_) {
    const std::string line =
        Line(terminal, name, analyzer.fraction,
             analyzer.finished ? analyzer.note : absl::StrCat(FormatCount(analyzer.frames), " frames"));
    lines.push_back(analyzer.failed ? Red(terminal, line) : analyzer.finished ? Green(terminal, line) : line);
  }
  return lines;
}

ProgressBars::ProgressBars(std::string title, Terminal terminal, std::FILE* out)
    : terminal_(terminal), out_(out), view_(std::move(title)) {}

ProgressBars::~ProgressBars() { Clear(); }

void ProgressBars::SetUpload(int64_t sent_bytes, int64_t total_bytes) {
  MutexLock lock(mutex_);
  view_.SetUpload(sent_bytes, total_bytes);
  Draw(/*force=*/false);
}

void ProgressBars::Clear() {
  MutexLock lock(mutex_);
  if (drawn_columns_.empty()) return;
  terminal_.Measure(fileno(out_));
  Erase();
  std::fflush(out_);
}

void ProgressBars::Erase() {
  // In a window that became narrower meanwhile the terminal has folded the lines.
  int rows = 0;
  for (const int columns : drawn_columns_) rows += std::max(1, (columns + terminal_.width - 1) / terminal_.width);
  if (rows > 0) std::fprintf(out_, "\x1b[%dA\r\x1b[J", std::min(rows, terminal_.height - 1));
  drawn_columns_.clear();
}

void ProgressBars::Draw(bool force) {
  if (!terminal_.interactive) return;
  const Clock::time_point now = Clock::now();
  if (!force && !drawn_columns_.empty() && now - last_draw_ < kRedrawInterval) return;
  last_draw_ = now;
  terminal_.Measure(fileno(out_));
  std::vector<std::string> lines = view_.Render(terminal_, absl::FromChrono(now - start_));
  // What has scrolled away cannot be drawn over.
  if (static_cast<int>(lines.size()) >= terminal_.height) lines.resize(static_cast<size_t>(terminal_.height - 1));
  Erase();
  for (const std::string& line : lines) {
    std::fprintf(out_, "%s\n", line.c_str());
    drawn_columns_.push_back(DisplayWidth(line));
  }
  std::fflush(out_);
}

}  // namespace reelsight::cli
