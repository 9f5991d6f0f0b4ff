// SPDX-License-Identifier: Apache-2.0
//
// What the fuzz targets of the lightweight service share: its analyzers, without weights, and the parts of a request
// that gets past the first checks, chosen by the fuzzer's bytes.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include "reelsight/analyzer/v1/analyzer_service.pb.h"
#include "shared/analysis/analyzer_host.h"

namespace reelsight::lightweight {

const analysis::AnalyzerHost& FuzzedHost();

// Often the description of one of the analyzers.
const analyzer::v1::AnalyzerDescription& TakeAnalyzer(FuzzedDataProvider& data);

// Often none, else bytes of the type that `analyzer` takes, or of any.
void TakeOptions(FuzzedDataProvider& data, const analyzer::v1::AnalyzerDescription& analyzer,
                 google::protobuf::Any& options);

// Mostly a time within a video, from time to time any that the message can hold.
absl::Duration TakeOffset(FuzzedDataProvider& data);

// Ends the program for a status that blames this server for what a caller sent.
void CheckBlame(const absl::Status& status);

}  // namespace reelsight::lightweight
