// SPDX-License-Identifier: Apache-2.0
//
// Test program: opens a URI as the server would, reads it, and prints one line: `OK SIZE SHA256 FETCHED_BYTES`, or
// `CODE REASON MESSAGE`.
//
// source_probe CONFIG URI [SEED]: CONFIG is an OrchestratorConfig as text; with a seed, reads pieces in random order
// and holds them against a read in order.
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "orchestrator/source/source_opener.h"
#include "shared/base/status.h"
#include "shared/digest/sha256.h"

namespace reelsight::orchestrator {
namespace {

absl::StatusOr<std::string> ReadRange(ByteSource& source, int64_t offset, size_t count) {
  std::string bytes(count, 0);
  size_t done = 0;
  while (done < count) {
    ASSIGN_OR_RETURN(const size_t got,
                     source.ReadAt(offset + static_cast<int64_t>(done),
                                   {reinterpret_cast<uint8_t*>(bytes.data()) + done, count - done}, CancelToken()));
    if (got == 0) break;
    done += got;
  }
  bytes.resize(done);
  return bytes;
}

absl::StatusOr<std::string> Probe(const std::string& config_text, const std::string& uri, const char* seed) {
  config::v1::OrchestratorConfig config;
  if (!google::protobuf::TextFormat::ParseFromString(config_text, &config)) return absl::InvalidArgumentError("config");
  ASSIGN_OR_RETURN(auto opener, SourceOpener::Create(config.sources(), config.limits(), nullptr));
  ASSIGN_OR_RETURN(auto source, opener->OpenUri(uri, CancelToken()));
  std::string all;
  while (true) {
    ASSIGN_OR_RETURN(const std::string piece, ReadRange(*source, static_cast<int64_t>(all.size()), 100'000));
    if (piece.empty()) break;
    all += piece;
  }
  if (seed != nullptr) {
    std::mt19937 random(static_cast<unsigned>(std::stoul(seed)));
    for (int i = 0; i < 50; ++i) {
      const size_t offset = random() % all.size();
      const size_t count = std::min<size_t>(random() % 300'000, all.size() - offset);
      ASSIGN_OR_RETURN(const std::string piece, ReadRange(*source, static_cast<int64_t>(offset), count));
      if (all.compare(offset, count, piece) != 0) return absl::DataLossError("a piece differs");
    }
  }
  digest::Sha256 hash;
  hash.Update(all);
  return "OK " + std::to_string(all.size()) + " " + hash.HexDigest() + " " + std::to_string(source->read_bytes());
}

}  // namespace
}  // namespace reelsight::orchestrator

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: source_probe CONFIG URI [SEED]\n";
    return 2;
  }
  const auto line = reelsight::orchestrator::Probe(argv[1], argv[2], argc > 3 ? argv[3] : nullptr);
  if (line.ok()) {
    std::cout << *line << "\n";
    return 0;
  }
  std::cout << absl::StatusCodeToString(line.status().code()) << " " << reelsight::GetReason(line.status()) << " "
            << line.status().message() << "\n";
  return 1;
}
