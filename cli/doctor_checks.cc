// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor_checks.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/time_text.h"
#include "orchestrator/decode/ffmpeg_build.h"
#include "shared/process/cpu_set.h"

namespace reelsight::cli {
namespace {

using State = Finding::State;

constexpr int64_t kMiB = int64_t{1} << 20;

// The value behind `key:` in a file of lines such as /proc/meminfo, or empty.
std::string ValueOf(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1) != key) continue;
    const size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// Memory that the process may still take: the machine's, or what its control group leaves.
int64_t AvailableMemoryBytes() {
  int64_t kib = 0;
  std::istringstream(ValueOf("/proc/meminfo", "MemAvailable")) >> kib;
  int64_t bytes = kib * 1024;
  std::ifstream limit_file("/sys/fs/cgroup/memory.max"), used_file("/sys/fs/cgroup/memory.current");
  int64_t limit = 0, used = 0;
  if (limit_file >> limit && used_file >> used) bytes = std::min(bytes, std::max<int64_t>(0, limit - used));
  return bytes;
}

Finding CheckInstructions() {
  const std::string flags = " " + ValueOf("/proc/cpuinfo", "flags") + " ";
  std::vector<std::string> found;
  for (const auto& [flag, name] :
       {std::pair("avx2", "AVX2"), std::pair("avx512f", "AVX-512"), std::pair("avx512_bf16", "AVX-512 BF16"),
        std::pair("amx_tile", "AMX"), std::pair("amx_bf16", "AMX BF16"), std::pair("asimd", "NEON")}) {
    if (flags.find(absl::StrCat(" ", flag, " ")) != std::string::npos) found.emplace_back(name);
  }
  if (found.empty()) {
    return {"instructions", State::kNote, "none of AVX2, AVX-512, AMX",
            "analysis works but is slow; a processor made since 2014 is several times as fast"};
  }
  return {"instructions", State::kGood, absl::StrJoin(found, ", "), ""};
}

Finding CheckGpu() {
  const std::string name = GpuName();
  if (name.empty()) return {"GPU", State::kGood, "none; not needed", ""};
  return {"GPU", State::kGood, absl::StrCat(name, "; no analyzer of this program uses it yet"), ""};
}

}  // namespace

std::string GpuName() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    const std::string model = ValueOf((entry.path() / "information").string(), "Model");
    if (!model.empty()) return model;
  }
  // In a container that list may be empty although the driver is there.
  return std::filesystem::exists("/proc/driver/nvidia/version", error) ? "NVIDIA" : "";
}

Finding::State JudgeRoom(int64_t bytes, int64_t least, int64_t good) {
  return bytes < least ? State::kFailed : bytes < good ? State::kNote : State::kGood;
}

std::vector<Finding> CheckMachine() {
  std::vector<Finding> findings;
  const int processors = static_cast<int>(process::AvailableCpus().size());
  const std::string model = ValueOf("/proc/cpuinfo", "model name");
  findings.push_back({"processors", State::kGood, absl::StrCat(processors, model.empty() ? "" : ", ", model), ""});
  findings.push_back(CheckInstructions());
  const int64_t memory = AvailableMemoryBytes();
  const State state = JudgeRoom(memory, 256 * kMiB, 1024 * kMiB);
  findings.push_back(
      {"memory", state, absl::StrCat(FormatBytes(memory), " available"),
       state == State::kGood ? "" : "end other programs, or raise the container's limit to 1 GiB or more"});
  findings.push_back(CheckGpu());
  return findings;
}

std::vector<Finding> CheckDecoders() {
  std::vector<std::string> present, absent;
  for (const char* codec : {"h264", "hevc", "vp9", "av1", "vp8", "mpeg4", "mjpeg"}) {
    (orchestrator::CanDecode(codec) ? present : absent).emplace_back(codec);
  }
  Finding decoders{"decoders", State::kGood, absl::StrJoin(present, ", "), ""};
  if (!absent.empty()) {
    decoders.state = orchestrator::CanDecode("h264") ? State::kNote : State::kFailed;
    absl::StrAppend(&decoders.found, "; missing: ", absl::StrJoin(absent, ", "));
    decoders.remedy = "install a full FFmpeg: apt-get install libavcodec59";
  }
  return {{"FFmpeg", State::kGood, orchestrator::FfmpegVersion(), ""}, decoders};
}

bool PortIsFree(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_free = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return is_free;
}

std::vector<Finding> CheckSurroundings() {
  std::vector<Finding> findings;
  std::error_code error;
  std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  if (error) {
    const char* named = std::getenv("TMPDIR");
    folder = named == nullptr ? "/tmp" : named;
  }
  const auto space = error ? std::filesystem::space_info{} : std::filesystem::space(folder, error);
  const bool writable = !error && access(folder.c_str(), W_OK) == 0;
  if (!writable) {
    findings.push_back({"temporary files", State::kFailed, absl::StrCat("cannot write to ", folder.string()),
                        "set TMPDIR to a folder that you may write to"});
  } else {
    const State state = JudgeRoom(static_cast<int64_t>(space.available), 100 * kMiB, 2048 * kMiB);
    findings.push_back(
        {"temporary files", state,
         absl::StrCat(FormatBytes(static_cast<int64_t>(space.available)), " free in ", folder.string()),
         state == State::kGood ? "" : "free some room, or set TMPDIR to a larger disk; uploads need it"});
  }
  std::vector<std::string> used;
  for (const int port : {7010, 7011, 9010, 9011}) {
    if (!PortIsFree(port)) used.push_back(absl::StrCat(port));
  }
  if (used.empty()) {
    findings.push_back({"ports", State::kGood, "7010, 7011, 9010, 9011 are free", ""});
  } else {
    findings.push_back({"ports", State::kNote, absl::StrCat("in use: ", absl::StrJoin(used, ", ")),
                        "fine if Reelsight is running; else give servers other ports with --listen"});
  }
  return findings;
}

std::string RenderFindings(const std::vector<Finding>& findings, const Terminal& terminal) {
  constexpr int kIndent = 26;
  const auto column = [&](const std::string& words) {
    if (!terminal.interactive) return words;
    return absl::StrJoin(Wrap(words, std::max(20, terminal.width - kIndent)), "\n" + std::string(kIndent, ' '));
  };
  std::string text;
  for (const Finding& finding : findings) {
    const std::string mark = finding.state == State::kGood   ? Green(terminal, "ok    ")
                             : finding.state == State::kNote ? Yellow(terminal, "note  ")
                                                             : Red(terminal, "FAILED");
    absl::StrAppend(&text, mark, "  ", PadRight(finding.what, 16), "  ", column(Printable(finding.found)), "\n");
    if (!finding.remedy.empty()) {
      absl::StrAppend(&text, std::string(kIndent, ' '), column("-> " + finding.remedy), "\n");
    }
  }
  return text;
}

bool AnyFailed(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.state == State::kFailed; });
}

}  // namespace reelsight::cli
