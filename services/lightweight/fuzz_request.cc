// SPDX-License-Identifier: Apache-2.0
#include "services/lightweight/fuzz_request.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/logging.h"
#include "services/lightweight/analyzers.h"
#include "shared/analysis/proto_time.h"

namespace reelsight::lightweight {

const analysis::AnalyzerHost& FuzzedHost() {
  static const auto& host =
      *analysis::AnalyzerHost::Create("lightweight", "1", MakeLightweightAnalyzers(), 1)->release();
  return host;
}

const analyzer::v1::AnalyzerDescription& TakeAnalyzer(FuzzedDataProvider& data) {
  static const auto& described = *new analyzer::v1::DescribeResponse(FuzzedHost().Describe());
  return described.analyzers(data.ConsumeIntegralInRange(0, described.analyzers_size() - 1));
}

void TakeOptions(FuzzedDataProvider& data, const analyzer::v1::AnalyzerDescription& analyzer,
                 google::protobuf::Any& options) {
  const int choice = data.ConsumeIntegralInRange(0, 3);
  if (choice < 2) return;
  options.set_type_url(choice == 3 ? absl::StrCat("type.googleapis.com/", analyzer.options_type())
                                   : data.ConsumeRandomLengthString(64));
  options.set_value(data.ConsumeRandomLengthString(64));
}

absl::Duration TakeOffset(FuzzedDataProvider& data) {
  if (data.ConsumeIntegralInRange(0, 15) > 0) return absl::Milliseconds(data.ConsumeIntegralInRange(0, 20000));
  google::protobuf::Duration any;
  any.set_seconds(data.ConsumeIntegral<int64_t>());
  any.set_nanos(data.ConsumeIntegral<int32_t>());
  return analysis::FromProto(any);
}

void CheckBlame(const absl::Status& status) {
  if (!absl::IsInternal(status) && !absl::IsUnknown(status)) return;
  (void)std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace reelsight::lightweight

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  // It says at length what of arbitrary bytes is no UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}
