// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/movie_header.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "orchestrator/decode/demuxer.h"
#include "orchestrator/decode/mp4_box.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Of a file; each of its tracks has some dozens.
constexpr int kMaxBoxes = 20'000;
// Entries of FFmpeg's table for each frame allowed: room for several tracks' worth of audio and for edit lists.
constexpr int64_t kEntriesPerFrame = 16;
// Of boxes in boxes; a track's own are four deep.
constexpr int kMaxDepth = 8;
// Samples of PCM that share one entry of the table.
constexpr int64_t kTicksPerEntry = 1024;

// What one track's boxes say.
struct Track {
  bool video = false;
  bool audio = false;
  int64_t samples = 0;
  int64_t edits = 1;
  // Each sample lasts one tick, as in PCM, whose table has an entry for a run of samples.
  bool ticks = false;
};

bool HasTextType(const Mp4Box& box) {
  return std::all_of(box.type.begin(), box.type.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
}

class Walker {
 public:
  Walker(ByteSource& source, const VideoDecoder::Limits& limits, const CancelToken& cancel)
      : source_(source), limits_(limits), cancel_(cancel) {}

  absl::Status Run() {
    int64_t offset = 0;
    for (int i = 0; i < kMaxTopBoxes; ++i) {
      ASSIGN_OR_RETURN(const std::optional<Mp4Box> box, ReadBox(offset, INT64_MAX));
      // Where there is no box, or a type that is no text, this is no such file.
      if (!box.has_value() || !HasTextType(*box)) return absl::OkStatus();
      if (box->Is("moov")) return Walk(*box, nullptr, 0);
      ASSIGN_OR_RETURN(const bool hidden, HoldsMovie(*box));
      if (hidden) return Walk(*box, nullptr, 0);
      offset = box->end();
    }
    return TooDeepOrMany();
  }

 private:
  // FFmpeg takes a `free` or `hoov` box for the index where it begins like one.
  absl::StatusOr<bool> HoldsMovie(const Mp4Box& box) {
    if (!box.Is("free") && !box.Is("hoov")) return false;
    std::array<uint8_t, 8> bytes = {};
    ASSIGN_OR_RETURN(const size_t read, ReadFully(source_, box.body(), bytes, cancel_));
    const std::string_view type(reinterpret_cast<const char*>(bytes.data()) + 4, 4);
    return read == 8 && (type == "mvhd" || type == "cmov");
  }

  absl::Status TooDeepOrMany() const {
    return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kUnsupportedCodec,
                     absl::StrCat(source_.name(), " has more boxes, or deeper ones, than any real MP4; write it anew"));
  }

  // Nothing at the end, or where there is no box.
  absl::StatusOr<std::optional<Mp4Box>> ReadBox(int64_t offset, int64_t end) {
    ASSIGN_OR_RETURN(std::optional<Mp4Box> box, ReadMp4Box(source_, offset, cancel_));
    if (!box.has_value()) return std::nullopt;
    if (++boxes_ > kMaxBoxes) return TooDeepOrMany();
    const int64_t room = end - offset;
    box->size_bytes = box->size_bytes == 0 ? room : std::min(room, box->size_bytes);
    return box;
  }

  // The 32-bit numbers of `box` from byte `at` of its body on; those beyond the end are 0.
  absl::StatusOr<std::array<uint32_t, 4>> Numbers(const Mp4Box& box, int64_t at) {
    std::array<uint8_t, 16> bytes = {};
    ASSIGN_OR_RETURN(const size_t read, ReadFully(source_, box.body() + at, bytes, cancel_));
    std::array<uint32_t, 4> numbers = {};
    for (size_t i = 0; i < 4 && 4 * i + 4 <= read; ++i) {
      numbers[i] = static_cast<uint32_t>(BigEndian(std::span(bytes).subspan(4 * i, 4)));
    }
    return numbers;
  }

  absl::Status Walk(const Mp4Box& parent, Track* track, int depth) {
    if (depth > kMaxDepth) return TooDeepOrMany();
    int64_t offset = parent.body();
    while (offset < parent.end()) {
      ASSIGN_OR_RETURN(const std::optional<Mp4Box> box, ReadBox(offset, parent.end()));
      if (!box.has_value()) return absl::OkStatus();
      if (box->Is("trak") && track == nullptr) {
        Track found;
        RETURN_IF_ERROR(Walk(*box, &found, depth + 1));
        RETURN_IF_ERROR(Check(found));
      } else if (box->Is("cmov")) {
        return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kUnsupportedCodec,
                         absl::StrCat(source_.name(), " has a compressed index (cmov); write it anew as a plain MP4"));
      } else if (track != nullptr) {
        RETURN_IF_ERROR(ReadTrackBox(*box, *track, depth));
      }
      offset = box->end();
    }
    return absl::OkStatus();
  }

  absl::Status ReadTrackBox(const Mp4Box& box, Track& track, int depth) {
    if (box.Is("mdia") || box.Is("minf") || box.Is("stbl") || box.Is("edts")) return Walk(box, &track, depth + 1);
    // ISO/IEC 14496-12: each begins with a version and flags.
    if (box.Is("stsz") || box.Is("stz2")) {
      ASSIGN_OR_RETURN(const auto numbers, Numbers(box, 4));
      track.samples = std::max<int64_t>(track.samples, numbers[1]);
    } else if (box.Is("elst")) {
      ASSIGN_OR_RETURN(const auto numbers, Numbers(box, 4));
      track.edits = std::max<int64_t>(track.edits, numbers[0]);
    } else if (box.Is("stts")) {
      ASSIGN_OR_RETURN(const auto numbers, Numbers(box, 4));
      track.ticks = numbers[0] == 1 && numbers[2] == 1;
    } else if (box.Is("hdlr")) {
      ASSIGN_OR_RETURN(const auto numbers, Numbers(box, 8));
      track.video = track.video || numbers[0] == 0x76696465;  // vide
      track.audio = track.audio || numbers[0] == 0x736F756E;  // soun
    }
    return absl::OkStatus();
  }

  absl::Status Check(const Track& track) {
    if (track.video && track.samples > limits_.max_frames) {
      return MakeError(
          absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
          absl::StrCat("the video has ", track.samples, " frames, more than ", limits_.max_frames, kLengthRemedy));
    }
    entries_ += track.audio && track.ticks ? track.samples / kTicksPerEntry : track.samples;
    // All tracks together: FFmpeg makes a table for each.
    if (entries_ > kEntriesPerFrame * limits_.max_frames / track.edits) {
      return MakeError(
          absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
          absl::StrCat("the tracks up to here have ", entries_, " samples, shown by ", track.edits,
                       " edits; that is too much for a video of ", limits_.max_frames, " frames", kLengthRemedy));
    }
    return absl::OkStatus();
  }

  ByteSource& source_;
  const VideoDecoder::Limits& limits_;
  const CancelToken& cancel_;
  int boxes_ = 0;
  int64_t entries_ = 0;
};

}  // namespace

absl::Status CheckMovieHeader(ByteSource& source, const VideoDecoder::Limits& limits, const CancelToken& cancel) {
  return Walker(source, limits, cancel).Run();
}

}  // namespace reelsight::orchestrator
