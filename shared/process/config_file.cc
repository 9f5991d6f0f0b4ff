// SPDX-License-Identifier: Apache-2.0
#include "shared/process/config_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "shared/base/status.h"

namespace reelsight::process {
namespace {

// Collects `FILE:LINE:COLUMN: what`, one a line.
class Collector final : public google::protobuf::io::ErrorCollector {
 public:
  explicit Collector(const std::string& name) : name_(name) {}
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override {
    absl::StrAppend(&errors_, errors_.empty() ? "" : "\n", name_, ":", line + 1, ":", column + 1, ": ", message);
  }
  const std::string& errors() const { return errors_; }

 private:
  const std::string& name_;
  std::string errors_;
};

// Returns 0 or an errno value. A stream would throw for a folder.
int ReadFile(const std::string& path, std::string* text) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return errno;
  char buffer[4096];
  while (const size_t size = std::fread(buffer, 1, sizeof(buffer), file.get())) text->append(buffer, size);
  return std::ferror(file.get()) != 0 ? errno : 0;
}

}  // namespace

absl::Status LoadConfigFile(const std::string& path, google::protobuf::Message* config) {
  std::string text;
  if (const int error = ReadFile(path, &text); error != 0) {
    const std::string what = absl::StrCat("cannot read the configuration file ", path, " (", std::strerror(error),
                                          "); give the path of a readable text file with --config");
    return error == EACCES ? absl::PermissionDeniedError(what) : absl::NotFoundError(what);
  }
  return ParseConfig(text, path, config);
}

absl::Status ParseConfig(std::string_view text, const std::string& name, google::protobuf::Message* config) {
  Collector collector(name);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  // Into a fresh message: the parser refuses a field that is there already.
  const std::unique_ptr<google::protobuf::Message> parsed(config->New());
  if (!parser.ParseFromString(std::string(text), parsed.get())) {
    return absl::InvalidArgumentError(collector.errors().empty() ? absl::StrCat(name, ": not protobuf text format")
                                                                 : collector.errors());
  }
  config->MergeFrom(*parsed);
  return absl::OkStatus();
}

}  // namespace reelsight::process
