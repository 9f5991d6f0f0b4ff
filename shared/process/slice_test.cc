// SPDX-License-Identifier: Apache-2.0
#include "shared/process/slice.h"

#include <map>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "shared/base/status.h"

namespace reelsight::process {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kGigabyte = int64_t{1} << 30;

config::v1::AnalyzerServiceConfig Config(const std::string& text) {
  config::v1::AnalyzerServiceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  return config;
}

// 8 processors, 45 GiB, GPU 3 of 40 GiB and the instance MIG-1 of 10 GiB.
class FakeMachine {
 public:
  Machine machine() {
    Machine machine;
    machine.pin_to_cpus = [this](const std::vector<int>& cpus) { return cpus_ = cpus, absl::OkStatus(); };
    machine.available_cpus = [this] { return cpus_; };
    machine.read_memory = [] { return MemoryReading{.total_bytes = 45 * kGigabyte}; };
    machine.gpu_memory_bytes = [this]() -> absl::StatusOr<std::vector<int64_t>> {
      const std::string visible = environment["CUDA_VISIBLE_DEVICES"];
      if (visible == "3") return std::vector<int64_t>{40 * kGigabyte};
      if (visible == "MIG-1") return std::vector<int64_t>{10 * kGigabyte};
      return std::vector<int64_t>{};
    };
    machine.mps_runs = [this] { return mps; };
    machine.get_environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto it = environment.find(name);
      return it == environment.end() ? std::nullopt : std::optional<std::string>(it->second);
    };
    machine.set_environment = [this](const std::string& name, const std::string& value) { environment[name] = value; };
    return machine;
  }
  absl::StatusOr<Slice> Take(const std::string& text) {
    const auto config = Config(text);
    EXPECT_TRUE(CheckSlice(config).ok()) << CheckSlice(config);
    return TakeSlice(config, machine());
  }

  std::map<std::string, std::string> environment;
  bool mps = false;

 private:
  std::vector<int> cpus_ = {0, 1, 2, 3, 4, 5, 6, 7};
};

TEST(SliceTest, IsTheWholeMachineByDefault) {
  FakeMachine machine;
  const Slice slice = machine.Take("").value();
  EXPECT_EQ(slice.device, "cpu");
  EXPECT_EQ(slice.threads, 8);
  EXPECT_EQ(slice.total_memory_bytes, 45 * kGigabyte);
  EXPECT_EQ(slice.memory_budget_bytes, 45 * kGigabyte / 2);
  EXPECT_THAT(machine.environment, IsEmpty());
}

TEST(SliceTest, TakesProcessorsByEitherField) {
  EXPECT_EQ(FakeMachine().Take("cpus: '0-2'")->threads, 3);
  EXPECT_EQ(FakeMachine().Take("slice { device: 'cpu' cpus: '4,6' }")->threads, 2);
  EXPECT_EQ(FakeMachine().Take("cpus: '0-2' slice { cpus: '0-2' } threads: 5")->threads, 5);
}

TEST(SliceTest, TakesItsMemoryAsBytesAsAShareOrAsTheModelsSay) {
  EXPECT_EQ(FakeMachine().Take("slice { memory_budget_bytes: 7 }")->memory_budget_bytes, 7);
  EXPECT_EQ(FakeMachine().Take("slice { memory_budget_fraction: 0.777777777777778 }")->memory_budget_bytes,
            35 * kGigabyte);
  EXPECT_EQ(FakeMachine().Take("models { memory_budget_bytes: 9 }")->memory_budget_bytes, 9);
  EXPECT_EQ(
      FakeMachine().Take("models { memory_budget_bytes: 9 } slice { memory_budget_bytes: 7 }")->memory_budget_bytes, 7);
  EXPECT_EQ(FakeMachine().Take("slice { device: 'cuda:3' memory_budget_fraction: 0.5 }")->memory_budget_bytes,
            20 * kGigabyte);
}

TEST(SliceTest, HidesOtherGpus) {
  FakeMachine machine;
  const Slice slice = machine.Take("slice { device: 'cuda:3' }").value();
  EXPECT_EQ(slice.device, "cuda:0");
  EXPECT_EQ(slice.total_memory_bytes, 40 * kGigabyte);
  EXPECT_THAT(machine.environment,
              ElementsAre(Pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), Pair("CUDA_VISIBLE_DEVICES", "3")));
  FakeMachine mig;
  EXPECT_EQ(mig.Take("slice { device: 'MIG-1' }")->total_memory_bytes, 10 * kGigabyte);
  EXPECT_EQ(mig.environment["CUDA_VISIBLE_DEVICES"], "MIG-1");
}

TEST(SliceTest, CountsAmongTheGpusThatSomebodyChose) {
  FakeMachine machine;
  machine.environment["CUDA_VISIBLE_DEVICES"] = "1,3";
  ASSERT_TRUE(machine.Take("slice { device: 'cuda:1' }").ok());
  EXPECT_EQ(machine.environment["CUDA_VISIBLE_DEVICES"], "3");
  machine.environment["CUDA_VISIBLE_DEVICES"] = "1,3";
  const absl::Status status = machine.Take("slice { device: 'cuda:2' }").status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("no cuda:2 among the 2 of CUDA_VISIBLE_DEVICES=1,3"));
}

TEST(SliceTest, BoundsItsShareOfAGpuUnderMpsOnly) {
  FakeMachine machine;
  const std::string text = "slice { device: 'cuda:3' mps_thread_percentage: 30 }";
  const absl::Status status = machine.Take(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nvidia-cuda-mps-control -d"));
  EXPECT_THAT(machine.environment, IsEmpty());
  machine.mps = true;
  ASSERT_TRUE(machine.Take(text).ok());
  EXPECT_EQ(machine.environment["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"], "30");
}

TEST(SliceTest, RefusesWhatTheMachineDoesNotHave) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"slice { device: 'cuda:0' }", "slice.device: this machine has no cuda:0; `nvidia-smi -L`"},
           {"slice { device: 'MIG-2' }", "slice.device: this machine has no MIG-2"},
           {"slice { memory_budget_bytes: 48318382081 }", "slice.memory_budget_bytes: 48318382081 bytes are more than"},
           {"models { memory_budget_bytes: 48318382081 }", "models.memory_budget_bytes: 48318382081"},
           {"slice { device: 'MIG-1' memory_budget_bytes: 10737418241 }", "more than the 10737418240 bytes"}}) {
    const absl::Status status = FakeMachine().Take(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
  // With this machine's own processors.
  EXPECT_THAT(std::string(TakeSlice(Config("cpus: '1023'")).status().message()),
              HasSubstr("cpus: this process may not"));
}

TEST(SliceTest, RefusesMalformedFields) {
  for (const auto& [text, field] : std::vector<std::pair<std::string, std::string>>{
           {"slice { device: 'gpu' }", "slice.device"},
           {"slice { device: 'cuda:' }", "slice.device"},
           {"slice { device: 'cuda:-1' }", "slice.device"},
           {"slice { device: 'MIG-' }", "slice.device"},
           {"slice { device: 'MIG-1,MIG-2' }", "slice.device"},
           {"cpus: 'x'", "cpus"},
           {"slice { cpus: '3-1' }", "slice.cpus"},
           {"cpus: '1' slice { cpus: '2' }", "slice.cpus"},
           {"threads: -1", "threads"},
           {"slice { memory_budget_bytes: -1 }", "slice.memory_budget_bytes"},
           {"slice { memory_budget_fraction: 1.1 }", "slice.memory_budget_fraction"},
           {"slice { memory_budget_fraction: nan }", "slice.memory_budget_fraction"},
           {"slice { memory_budget_bytes: 1 memory_budget_fraction: 0.5 }", "slice.memory_budget_fraction"},
           {"slice { device: 'cuda:0' mps_thread_percentage: 101 }", "slice.mps_thread_percentage"},
           {"slice { mps_thread_percentage: 10 }", "slice.mps_thread_percentage"}}) {
    const absl::Status status = CheckSlice(Config(text));
    EXPECT_EQ(GetReason(status), "INVALID_FIELD") << text;
    EXPECT_EQ(GetMetadata(status, "field"), field) << text;
  }
}

TEST(CudaDriverTest, SaysThatThereIsNone) {
  const absl::Status status = GpuMemoryBytes("libcuda_that_is_not_there.so.1").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there is no NVIDIA driver"));
}

// With a library that stands for the driver's.
TEST(CudaDriverTest, AsksTheLibrary) {
  Machine machine;
  machine.gpu_memory_bytes = [] { return GpuMemoryBytes(REELSIGHT_FAKE_CUDA_DRIVER); };
  unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(TakeSlice(Config("slice { device: 'cuda:3' }"), machine)->total_memory_bytes, 40 * kGigabyte);
  unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(TakeSlice(Config("slice { device: 'MIG-1' }"), machine)->total_memory_bytes, 10 * kGigabyte);
  unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_THAT(std::string(TakeSlice(Config("slice { device: 'MIG-7' }"), machine).status().message()),
              HasSubstr("this machine has no MIG-7"));
  setenv("CUDA_VISIBLE_DEVICES", "broken", 1);
  EXPECT_THAT(std::string(TakeSlice(Config("slice { device: 'cuda:0' }"), machine).status().message()),
              HasSubstr("slice.device cuda:0: NVIDIA's driver is there but does not work: cuInit gave error 999"));
  unsetenv("CUDA_VISIBLE_DEVICES");
}

}  // namespace
}  // namespace reelsight::process
