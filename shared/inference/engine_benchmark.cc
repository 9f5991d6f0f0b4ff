// SPDX-License-Identifier: Apache-2.0
//
// Runs one model file as fast as it goes, on each stream a thread of its own, and prints one JSON object. Inputs are
// uniform noise in [0, 1] (bytes: 0 to 255), the same in every run.
//
//   engine_benchmark MODEL [--streams N] [--threads_per_run N] [--precision f32|bf16] [--seconds S]
//                    [--shape 1,3,320,320]...
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shared/base/status.h"
#include "shared/inference/openvino_engine.h"

namespace reelsight::inference {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string path;
  int streams = 1;
  int threads_per_run = 1;
  Precision precision = Precision::kFloat32;
  double seconds = 5;
  // Shapes of the inputs that leave sides open, in order.
  std::vector<Shape> shapes;
};

absl::StatusOr<Tensor> Noise(const TensorSpec& spec, const Shape& given) {
  Shape shape = spec.shape;
  // A batch that is open is 1.
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (!given.empty()) shape = given;
  if (std::any_of(shape.begin(), shape.end(), [](int64_t side) { return side < 0; })) {
    return absl::InvalidArgumentError(
        absl::StrCat("input ", spec.name, " has the shape ", ShapeText(spec.shape), "; give it with --shape"));
  }
  Tensor tensor(spec.type, shape);
  RETURN_IF_ERROR(CheckFits(spec, tensor));
  std::mt19937 random(1);
  if (spec.type == DType::kFloat32) {
    std::uniform_real_distribution<float> distribution(0, 1);
    for (float& value : tensor.mutable_values<float>()) value = distribution(random);
  } else if (spec.type == DType::kUint8) {
    for (uint8_t& value : tensor.mutable_values<uint8_t>()) value = static_cast<uint8_t>(random());
  } else {
    std::memset(tensor.mutable_raw(), 0, static_cast<size_t>(tensor.bytes()));
  }
  return tensor;
}

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Processor time of this process, of all threads.
double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::Status Measure(const Options& options) {
  EngineOptions engine_options;
  engine_options.precision = options.precision;
  engine_options.max_concurrent_runs = options.streams;
  engine_options.threads_per_run = options.threads_per_run;
  engine_options.batch = 1;
  const Clock::time_point load_start = Clock::now();
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, LoadOpenVinoEngine(options.path, engine_options));
  const double load_seconds = Seconds(Clock::now() - load_start);

  std::vector<Tensor> inputs;
  for (size_t i = 0; i < engine->inputs().size(); ++i) {
    ASSIGN_OR_RETURN(Tensor input, Noise(engine->inputs()[i], i < options.shapes.size() ? options.shapes[i] : Shape()));
    inputs.push_back(std::move(input));
  }

  struct Stream {
    std::vector<double> run_ms;
    absl::Status status;
  };
  std::vector<Stream> streams(static_cast<size_t>(options.streams));
  const auto run_until = [&](Clock::time_point end) {
    std::vector<std::thread> threads;
    for (Stream& stream : streams) {
      stream.run_ms.clear();
      threads.emplace_back([&engine, &inputs, &stream, end] {
        do {
          const Clock::time_point start = Clock::now();
          stream.status = engine->Run(inputs).status();
          stream.run_ms.push_back(1e3 * Seconds(Clock::now() - start));
        } while (stream.status.ok() && Clock::now() < end);
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  // The first runs take memory and fill caches.
  run_until(Clock::now() + std::chrono::milliseconds(300));
  const double cpu_start = CpuSeconds();
  const Clock::time_point start = Clock::now();
  run_until(start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds)));
  const double elapsed = Seconds(Clock::now() - start), cpu_seconds = CpuSeconds() - cpu_start;

  std::vector<double> run_ms;
  for (const Stream& stream : streams) {
    RETURN_IF_ERROR(stream.status);
    run_ms.insert(run_ms.end(), stream.run_ms.begin(), stream.run_ms.end());
  }
  std::sort(run_ms.begin(), run_ms.end());
  std::printf(
      "{\"engine\": \"%s\", \"precision\": \"%s\", \"load_seconds\": %.3f, \"runs\": %zu, \"seconds\": %.3f, "
      "\"runs_per_second\": %.3f, \"cpu_ms_per_run\": %.3f, \"median_ms\": %.3f, \"p95_ms\": %.3f}\n",
      std::string(engine->name()).c_str(), engine->precision() == Precision::kFloat32 ? "f32" : "bf16", load_seconds,
      run_ms.size(), elapsed, static_cast<double>(run_ms.size()) / elapsed,
      1e3 * cpu_seconds / static_cast<double>(run_ms.size()), run_ms[run_ms.size() / 2],
      run_ms[run_ms.size() * 95 / 100]);
  return absl::OkStatus();
}

bool ParseShape(const std::string& text, Shape* shape) {
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    int64_t side = 0;
    if (!absl::SimpleAtoi(part, &side) || side < 1) return false;
    shape->push_back(side);
  }
  return true;
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.substr(0, 2) != "--") {
      options->path = word;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    bool good = true;
    if (word == "--streams") {
      good = absl::SimpleAtoi(value, &options->streams) && options->streams > 0;
    } else if (word == "--threads_per_run") {
      good = absl::SimpleAtoi(value, &options->threads_per_run) && options->threads_per_run > 0;
    } else if (word == "--seconds") {
      good = absl::SimpleAtod(value, &options->seconds) && options->seconds > 0;
    } else if (word == "--precision") {
      good = value == "f32" || value == "bf16";
      options->precision = value == "bf16" ? Precision::kBfloat16 : Precision::kFloat32;
    } else if (word == "--shape") {
      good = ParseShape(value, &options->shapes.emplace_back());
    } else {
      good = false;
    }
    if (!good) return false;
  }
  return !options->path.empty();
}

}  // namespace
}  // namespace reelsight::inference

int main(int argc, char** argv) {
  reelsight::inference::Options options;
  if (!reelsight::inference::Parse(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: engine_benchmark MODEL [--streams N] [--threads_per_run N] [--precision f32|bf16] "
                 "[--seconds S] [--shape 1,3,320,320]...\n");
    return 2;
  }
  const absl::Status status = reelsight::inference::Measure(options);
  if (!status.ok()) std::fprintf(stderr, "engine_benchmark: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
