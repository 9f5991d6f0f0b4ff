// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/http_source.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "orchestrator/source/http_errors.h"
#include "orchestrator/source/http_fetch.h"
#include "shared/base/mutex.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

constexpr absl::Duration kIdlePoll = absl::Seconds(1);

// Note [Threads of an HttpSource]
// The fetcher thread owns the transfer; readers copy what was fetched, or tell where they wait and wake the fetcher.
// All that they share is under mutex_, which is never held while libcurl runs, since libcurl calls OnBody, which takes
// it.
class FetchingSource final : public HttpSource, private HttpTransfer::Receiver {
 public:
  FetchingSource(const std::string& url, std::string name, Options options)
      : options_(std::move(options)),
        errors_(std::move(name)),
        transfer_(options_.transfer),
        fetch_(url, options_, errors_),
        floor_(options_.sender) {
    thread_ = std::thread([this] { Fetch(); });
  }
  ~FetchingSource() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    transfer_.Wake();
    thread_.join();
  }

  absl::Status WaitUntilOpen(const CancelToken& cancel) {
    return WaitFor(0, cancel, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return fetch_.opened(); });
  }

  absl::StatusOr<size_t> ReadAt(int64_t offset, std::span<uint8_t> into, const CancelToken& cancel) override {
    RETURN_IF_ERROR(cancel.status());
    if (offset < 0 || into.empty()) return 0;
    size_t count = 0;
    const auto ready = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      return fetch_.IsPastEnd(offset) || (count = fetch_.Copy(offset, into)) > 0;
    };
    {
      MutexLock lock(mutex_);
      if (ready()) {
        reader_.offset = offset + static_cast<int64_t>(count);
        if (fetch_.MayResume(reader_)) transfer_.Wake();
        return count;
      }
    }
    RETURN_IF_ERROR(WaitFor(offset, cancel, ready));
    return count;
  }
  int64_t size_bytes() const override {
    MutexLock lock(mutex_);
    return fetch_.size_bytes();
  }
  int64_t read_bytes() const override {
    MutexLock lock(mutex_);
    return fetch_.read_bytes();
  }
  const std::string& name() const override { return errors_.name(); }
  int64_t CachedBytesForTest() const override {
    MutexLock lock(mutex_);
    return fetch_.cached_bytes();
  }

 private:
  using Clock = HttpFetch::Clock;

  // Waits for the byte at `offset`, until `ready`, called under the lock, is true.
  template <typename Ready>
  absl::Status WaitFor(int64_t offset, const CancelToken& cancel, const Ready& ready) {
    // The token itself is not asked under the lock: finding out that its deadline has passed, it would run callbacks,
    // and ours takes the lock.
    std::atomic<bool> cancelled = false;
    CancelToken::Callback on_cancel(cancel, [this, &cancelled] {
      cancelled = true;
      MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
    const Clock::time_point start = Clock::now();
    absl::Status status;
    {
      MutexLock lock(mutex_);
      const Clock::time_point budget_end = start + absl::ToChronoNanoseconds(options_.fetch_timeout - waited_);
      reader_ = {.offset = offset, .waiting = true};
      transfer_.Wake();
      while (!ready() && fetch_.error().ok() && !cancelled) {
        const Clock::time_point until = std::min(budget_end, cancel.deadline());
        const Clock::time_point from = Clock::now();
        if (from >= until) break;
        changed_.WaitUntil(mutex_, std::min(until, from + absl::ToChronoNanoseconds(floor_.left())));
        // A server that was never heard of is unreachable, not slow.
        if (fetch_.read_bytes() > 0 && !floor_.Waited(absl::FromChrono(Clock::now() - from))) {
          fetch_.Fail(errors_.TooSlow(options_.sender));
          changed_.NotifyAll();
        }
      }
      reader_.waiting = false;
      waited_ += absl::FromChrono(Clock::now() - start);
      if (ready()) return absl::OkStatus();
      status = fetch_.error();
    }
    if (!status.ok()) return status;
    RETURN_IF_ERROR(cancel.status());
    return errors_.TookTooLong(options_.fetch_timeout);
  }

  // The fetcher thread.
  void Fetch() {
    while (true) {
      bool start = false, stop = false, resume = false;
      absl::Duration poll = kIdlePoll;
      HttpRequest request;
      {
        MutexLock lock(mutex_);
        if (stopping_) return;
        if (transfer_.active()) {
          stop = !fetch_.error().ok() || fetch_.PassesBy(reader_);
          resume = !stop && transfer_.paused() && fetch_.MayResume(reader_);
        }
        const Clock::time_point now = Clock::now();
        if (fetch_.Needs(reader_) && (stop || !transfer_.active())) {
          start = now >= fetch_.not_before();
          if (start) request = fetch_.NextRequest(reader_);
          if (!start) poll = absl::FromChrono(fetch_.not_before() - now);
        }
      }
      if (stop) transfer_.Stop();
      if (start) transfer_.Start(request, this);
      if (resume) transfer_.Resume();
      const bool was_active = transfer_.active();
      transfer_.Poll(poll);
      if (was_active && !transfer_.active()) Ended();
    }
  }

  HttpTransfer::Verdict OnBody(const HttpResponseHead& head, std::string_view bytes) override {
    MutexLock lock(mutex_);
    if (stopping_) return HttpTransfer::Verdict::kStop;
    const int64_t before = fetch_.read_bytes();
    const HttpTransfer::Verdict verdict = fetch_.OnBody(head, bytes, reader_);
    floor_.Add(fetch_.read_bytes() - before);
    changed_.NotifyAll();
    return verdict;
  }

  void Ended() {
    MutexLock lock(mutex_);
    if (!stopping_) fetch_.OnEnd(transfer_, reader_);
    changed_.NotifyAll();
  }

  const Options options_;
  const HttpErrors errors_;

  // The fetcher's, but for Wake.
  HttpTransfer transfer_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  HttpFetch fetch_ ABSL_GUARDED_BY(mutex_);
  HttpFetch::Reader reader_ ABSL_GUARDED_BY(mutex_);
  absl::Duration waited_ ABSL_GUARDED_BY(mutex_);
  RateFloor floor_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpSource>> HttpSource::Open(const std::string& url, std::string name, Options options,
                                                             const CancelToken& cancel) {
  RETURN_IF_ERROR(cancel.status());
  auto source = std::make_unique<FetchingSource>(url, std::move(name), std::move(options));
  RETURN_IF_ERROR(source->WaitUntilOpen(cancel));
  return source;
}

}  // namespace reelsight::orchestrator
