// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/run_registry.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/util/field_mask_util.h"
#include "shared/base/random_id.h"
#include "shared/base/status.h"
#include "shared/digest/sha256.h"

namespace reelsight::orchestrator {

namespace {

// By reflection, so that no field, of today or later, is left out. The content, which may be large, is not copied.
v1::AnalyzeRequest WithoutIdAndContent(const v1::AnalyzeRequest& request) {
  google::protobuf::FieldMask mask;
  const google::protobuf::Descriptor& type = *v1::AnalyzeRequest::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const int number = type.field(i)->number();
    if (number == v1::AnalyzeRequest::kRequestIdFieldNumber || number == v1::AnalyzeRequest::kContentFieldNumber) {
      continue;
    }
    mask.add_paths(type.field(i)->name());
  }
  v1::AnalyzeRequest rest;
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(request, mask, {}, &rest);
  // Fields of a newer client.
  const google::protobuf::Reflection& reflection = *request.GetReflection();
  reflection.MutableUnknownFields(&rest)->MergeFrom(reflection.GetUnknownFields(request));
  return rest;
}

}  // namespace

std::string Fingerprint(const v1::AnalyzeRequest& request) {
  // The content may be large: it is hashed where it lies, and the rest, which is small, is copied.
  const bool has_content = request.source_case() == v1::AnalyzeRequest::kContent;
  const v1::AnalyzeRequest rest = WithoutIdAndContent(request);
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    rest.SerializeToCodedStream(&coded);
  }
  digest::Sha256 hash;
  hash.Update(bytes);
  if (has_content) hash.Update(request.content());
  return hash.HexDigest();
}

absl::StatusOr<RunRegistry::Found> RunRegistry::FindOrCreate(std::shared_ptr<const v1::AnalyzeRequest> request,
                                                             Clock::time_point now) {
  const std::string id = request->request_id();
  if (id.empty()) return Found{std::make_shared<Run>(RandomId(), std::move(request), timer_), true};
  const std::string fingerprint = Fingerprint(*request);
  // Before the lock, so that it is destroyed after it.
  std::vector<Runs::node_type> gone;
  MutexLock lock(mutex_);
  SweepLocked(now, gone);
  const auto it = runs_.find(id);
  if (it != runs_.end() && it->second.run->joinable()) {
    if (it->second.fingerprint == fingerprint) return Found{it->second.run, false};
    return WithMetadata(
        MakeError(absl::StatusCode::kAlreadyExists, Reason::kRequestIdReused,
                  absl::StrCat("request_id: `", id, "` belongs to a request with another body; use a new id")),
        "field", "request_id");
  }
  if (it != runs_.end()) gone.push_back(runs_.extract(it));
  auto run = std::make_shared<Run>(id, std::move(request), timer_);
  runs_.emplace(id, Kept{fingerprint, run});
  return Found{std::move(run), true};
}

void RunRegistry::Sweep(Clock::time_point now) {
  std::vector<Runs::node_type> gone;
  MutexLock lock(mutex_);
  SweepLocked(now, gone);
}

void RunRegistry::SweepLocked(Clock::time_point now, std::vector<Runs::node_type>& gone) {
  struct Ended {
    Clock::time_point when;
    int64_t bytes;
    Runs::iterator place;
  };
  std::vector<Ended> ended;
  for (auto it = runs_.begin(); it != runs_.end();) {
    const Run& run = *it->second.run;
    const Clock::time_point when = run.finished_at();
    const auto place = it++;
    if (when == Clock::time_point::max()) continue;
    if (!run.joinable() || now - when >= absl::ToChronoNanoseconds(options_.retention)) {
      gone.push_back(runs_.extract(place));
    } else {
      ended.push_back({when, run.answer_bytes(), place});
    }
  }
  std::sort(ended.begin(), ended.end(), [](const Ended& a, const Ended& b) { return a.when > b.when; });
  int64_t bytes = 0;
  for (size_t i = 0; i < ended.size(); ++i) {
    bytes += ended[i].bytes;
    if (i >= static_cast<size_t>(options_.max_kept) || bytes > options_.max_kept_bytes) {
      gone.push_back(runs_.extract(ended[i].place));
    }
  }
}

}  // namespace reelsight::orchestrator
