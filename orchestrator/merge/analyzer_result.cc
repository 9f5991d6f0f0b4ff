// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/merge/analyzer_result.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "shared/analysis/proto_time.h"
#include "shared/base/status.h"
#include "shared/base/utf8.h"

namespace reelsight::orchestrator {
namespace {

// `type.googleapis.com/package.Name` -> `package.Name`.
std::string TypeName(const google::protobuf::Any& any) {
  const size_t slash = any.type_url().rfind('/');
  return slash == std::string::npos ? any.type_url() : any.type_url().substr(slash + 1);
}

// Sets the field of the oneof `result` whose message type is that of `typed`.
absl::Status PlaceTyped(const google::protobuf::Any& typed, v1::AnalyzerResult& result) {
  const std::string type = TypeName(typed);
  const google::protobuf::OneofDescriptor& oneof = *v1::AnalyzerResult::descriptor()->FindOneofByName("result");
  for (int i = 0; i < oneof.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *oneof.field(i);
    if (field.message_type() == nullptr || field.message_type()->full_name() != type) continue;
    if (typed.UnpackTo(result.GetReflection()->MutableMessage(&result, &field))) return absl::OkStatus();
    result.clear_result();
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                     absl::StrCat("the result of type ", type, " does not parse"));
  }
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                   absl::StrCat("this version of the API has no result of type ", type,
                                "; the service is newer than the orchestrator"));
}

}  // namespace

v1::AnalyzerStatus ToAnalyzerStatus(const absl::Status& status) {
  v1::AnalyzerStatus out;
  out.set_code(static_cast<v1::AnalyzerStatus::Code>(status.code()));
  if (status.ok()) return out;
  std::string reason = GetReason(status);
  // The canonical codes that need no more words are their own reason.
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  out.set_reason(ValidUtf8(reason));
  out.set_message(ValidUtf8({status.message().data(), status.message().size()}));
  return out;
}

v1::ModelInfo ToModelInfo(const analyzer::v1::Model& model) {
  v1::ModelInfo info;
  info.set_name(model.name());
  info.set_version(model.version());
  info.set_license(model.license());
  info.set_device(model.device());
  return info;
}

v1::AnalyzerResult MakeAnalyzerResult(const PlannedAnalyzer& planned, const AnalyzerOutcome& outcome,
                                      absl::Duration elapsed) {
  v1::AnalyzerResult result;
  result.set_analyzer(planned.description.name());
  v1::AnalyzerTiming& timing = *result.mutable_timing();
  *timing.mutable_elapsed() = analysis::ToProto(elapsed);
  *timing.mutable_batch_time() = analysis::ToProto(outcome.frames.batch_time);
  *timing.mutable_summarize_time() = analysis::ToProto(outcome.summarize_time);
  timing.set_frame_count(outcome.frames.frames_done);
  timing.set_batch_count(outcome.frames.batch_count);
  timing.set_retry_count(outcome.frames.retry_count);

  absl::Status status = outcome.status;
  if (status.ok() && outcome.summary.has_typed()) status = PlaceTyped(outcome.summary.typed(), result);
  if (status.ok() && outcome.summary.has_custom()) *result.mutable_custom() = outcome.summary.custom();
  *result.mutable_status() = ToAnalyzerStatus(status);
  if (status.ok()) {
    result.mutable_status()->set_message(outcome.summary.warning());
    result.set_headline(outcome.summary.headline());
    for (const analyzer::v1::Model& model : outcome.summary.models()) *result.add_models() = ToModelInfo(model);
    if (result.models().empty() && outcome.summary.has_model()) {
      *result.add_models() = ToModelInfo(outcome.summary.model());
    }
    if (!result.models().empty()) *result.mutable_model() = result.models(0);
  }
  return result;
}

}  // namespace reelsight::orchestrator
