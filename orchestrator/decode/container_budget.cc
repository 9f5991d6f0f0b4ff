// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/container_budget.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <mutex>
#include <random>

#include "absl/strings/str_cat.h"
#include "orchestrator/decode/ffmpeg_handles.h"
#include "orchestrator/decode/library_imports.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Allocations between two looks at the clock, which is a system call.
constexpr uint32_t kAdmissionsPerLook = 64;

// Of the scope that this thread is in.
thread_local ContainerBudget* current_budget = nullptr;

int64_t ThreadTimeNs() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

// What libavutil and libavformat call in place of their imports.
class LibavHooks {
 public:
  using Account = ContainerBudget::Account;

  static absl::Status Install();

  static void HandOver(void* block) { TakeSeal(block); }

  static void Release(Account* account) {
    if (account->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete account;
  }

 private:
  // At the end of each block. A block from before Install() has none, nor has a block that libavutil did not allocate.
  struct [[gnu::packed, gnu::may_alias]] Seal {
    // Of the block's address and the account, by a secret: the bytes of a file cannot make one.
    uint64_t proof;
    // Null: charged to nobody.
    Account* account;
  };

  static uint64_t Proof(const void* block, const Account* account) {
    // The finisher of MurmurHash3.
    uint64_t value = reinterpret_cast<uintptr_t>(block) ^ secret_ ^ (reinterpret_cast<uintptr_t>(account) << 17);
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD;
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53;
    return value ^ value >> 33;
  }

  static Seal* SealOf(void* block) {
    const size_t bytes = malloc_usable_size(block);
    return bytes < sizeof(Seal) ? nullptr : reinterpret_cast<Seal*>(static_cast<char*>(block) + bytes - sizeof(Seal));
  }

  static int64_t BytesOf(void* block) { return static_cast<int64_t>(malloc_usable_size(block)); }

  // FFmpeg hands blocks from thread to thread by means that ThreadSanitizer does not see, as the library is not built
  // for it.
  __attribute__((no_sanitize("thread"))) static void PutSeal(void* block, Account* account) {
    Seal* seal = SealOf(block);
    if (seal == nullptr) return;
    if (account != nullptr) {
      account->owners.fetch_add(1, std::memory_order_relaxed);
      account->bytes.fetch_add(BytesOf(block), std::memory_order_relaxed);
    }
    seal->account = account;
    seal->proof = account == nullptr ? 0 : Proof(block, account);
  }

  // The account charged with `block`, or null.
  __attribute__((no_sanitize("thread"))) static Account* AccountOf(void* block) {
    Seal* seal = block == nullptr ? nullptr : SealOf(block);
    if (seal == nullptr || seal->proof == 0 || seal->proof != Proof(block, seal->account)) return nullptr;
    return seal->account;
  }

  // Ends the charge of `block`.
  __attribute__((no_sanitize("thread"))) static void TakeSeal(void* block) {
    Account* account = AccountOf(block);
    if (account == nullptr) return;
    SealOf(block)->proof = 0;
    account->bytes.fetch_sub(BytesOf(block), std::memory_order_relaxed);
    Release(account);
  }

  static bool Admit(int64_t bytes) { return current_budget == nullptr || current_budget->Admit(bytes); }
  static Account* CurrentAccount() { return current_budget == nullptr ? nullptr : current_budget->account_; }
  static void OutOfMemory() {
    if (current_budget != nullptr) current_budget->refusal_ = ContainerBudget::Refusal::kNoMemoryLeft;
  }

  static int Memalign(void** block, size_t alignment, size_t size) {
    if (size > SIZE_MAX - sizeof(Seal) || !Admit(static_cast<int64_t>(size))) return ENOMEM;
    const int result = memalign_(block, alignment, size + sizeof(Seal));
    if (result != 0) {
      OutOfMemory();
    } else {
      PutSeal(*block, CurrentAccount());
    }
    return result;
  }

  static void* Realloc(void* block, size_t size) {
    if (size > SIZE_MAX - sizeof(Seal)) return nullptr;
    Account* before = AccountOf(block);
    const bool same = before != nullptr && before == CurrentAccount();
    if (!Admit(static_cast<int64_t>(size) - (same ? BytesOf(block) : 0))) return nullptr;
    TakeSeal(block);
    void* grown = realloc_(block, size + sizeof(Seal));
    if (grown == nullptr) {
      OutOfMemory();
      if (block != nullptr) PutSeal(block, before);
    } else {
      PutSeal(grown, CurrentAccount());
    }
    return grown;
  }

  static void Free(void* block) {
    TakeSeal(block);
    free_(block);
  }

  // Decoders that look at the first packets: what they hold is bounded by the size of a frame, and they may take their
  // time.
  class Pause {
   public:
    Pause() : budget_(current_budget) {
      if (budget_ != nullptr) budget_->StopClock();
      current_budget = nullptr;
    }
    ~Pause() {
      current_budget = budget_;
      if (budget_ != nullptr) budget_->StartClock();
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    ContainerBudget* const budget_;
  };

  static int SendPacket(AVCodecContext* codec, const AVPacket* packet) {
    const Pause pause;
    return send_packet_(codec, packet);
  }
  static int ReceiveFrame(AVCodecContext* codec, AVFrame* frame) {
    const Pause pause;
    return receive_frame_(codec, frame);
  }
  // Tables of entries that come in no order grow by this; each entry may move all others.
  static void* FastRealloc(void* block, unsigned* size, size_t min_size) {
    if (current_budget != nullptr && !current_budget->Admit(0)) return nullptr;
    return fast_realloc_(block, size, min_size);
  }

  static inline uint64_t secret_ = 0;
  static inline int (*memalign_)(void**, size_t, size_t) = nullptr;
  static inline void* (*realloc_)(void*, size_t) = nullptr;
  static inline void (*free_)(void*) = nullptr;
  static inline int (*send_packet_)(AVCodecContext*, const AVPacket*) = nullptr;
  static inline int (*receive_frame_)(AVCodecContext*, AVFrame*) = nullptr;
  static inline void* (*fast_realloc_)(void*, unsigned*, size_t) = nullptr;
};

absl::Status LibavHooks::Install() {
  std::random_device random;
  secret_ = uint64_t{random()} << 32 | random();
  const auto import = [](const char* name, auto* replacement, auto** original) {
    return LibraryImport{name, reinterpret_cast<void*>(replacement), reinterpret_cast<void**>(original)};
  };
  const std::array allocation = {import("free", &Free, &free_), import("realloc", &Realloc, &realloc_),
                                 import("posix_memalign", &Memalign, &memalign_)};
  const std::array decoding = {import("avcodec_send_packet", &SendPacket, &send_packet_),
                               import("avcodec_receive_frame", &ReceiveFrame, &receive_frame_),
                               import("av_fast_realloc", &FastRealloc, &fast_realloc_)};
  RETURN_IF_ERROR(ReplaceImports("libavutil.so", allocation));
  return ReplaceImports("libavformat.so", decoding);
}

absl::Status ContainerBudget::Install() {
  static std::once_flag once;
  static absl::Status* const installed = new absl::Status();
  std::call_once(once, [] { *installed = LibavHooks::Install(); });
  if (installed->ok()) return absl::OkStatus();
  return Annotate(*installed, "these libraries of FFmpeg cannot be kept from taking too much memory");
}

ContainerBudget::Scope::Scope(ContainerBudget& budget) {
  current_budget = &budget;
  budget.StartClock();
}

ContainerBudget::Scope::~Scope() {
  current_budget->StopClock();
  current_budget = nullptr;
}

ContainerBudget::ContainerBudget(const Options& options) : options_(options), account_(new Account()) {}

ContainerBudget::~ContainerBudget() { LibavHooks::Release(account_); }

void ContainerBudget::ReadUpTo(int64_t offset) { read_bytes_ = std::max(read_bytes_, offset); }

void ContainerBudget::HandOver(void* block) { LibavHooks::HandOver(block); }

bool ContainerBudget::Admit(int64_t bytes) {
  if (refusal_ != Refusal::kNone) return false;
  if (bytes > 0 && used_bytes() + bytes > options_.max_bytes) {
    refusal_ = Refusal::kMemory;
    return false;
  }
  return ++admitted_ % kAdmissionsPerLook != 0 || HasTime();
}

bool ContainerBudget::HasTime() {
  if (refusal_ != Refusal::kNone) return false;
  if (!running_) return true;
  const int64_t allowed_ns = absl::ToInt64Nanoseconds(options_.base_time) +
                             packets_ * absl::ToInt64Nanoseconds(options_.time_per_packet) +
                             read_bytes_ * absl::ToInt64Nanoseconds(options_.time_per_byte);
  if (spent_ns_ + ThreadTimeNs() - start_ns_ > allowed_ns) refusal_ = Refusal::kTime;
  return refusal_ == Refusal::kNone;
}

absl::Status ContainerBudget::status(const std::string& name) const {
  switch (refusal_) {
    case Refusal::kNone:
      break;
    case Refusal::kMemory:
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                       absl::StrCat(name, " claims to hold more than there is memory for: its tables take over ",
                                    options_.max_bytes >> 20,
                                    " MiB; it is damaged, or made to harm; write it anew, or cut it into parts"));
    case Refusal::kTime:
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kVideoTooLong,
                       absl::StrCat(name,
                                    " claims to hold more than there is time for: its tables take a processor "
                                    "over ",
                                    absl::FormatDuration(options_.base_time),
                                    " more than its size explains; it is damaged, or made to harm; write it anew, or "
                                    "cut it into parts"));
    case Refusal::kNoMemoryLeft:
      return reelsight::OutOfMemory(absl::StrCat("reading ", name));
  }
  return absl::OkStatus();
}

int64_t ContainerBudget::used_bytes() const { return account_->bytes.load(std::memory_order_relaxed); }

void ContainerBudget::StartClock() {
  start_ns_ = ThreadTimeNs();
  running_ = true;
}

void ContainerBudget::StopClock() {
  spent_ns_ += ThreadTimeNs() - start_ns_;
  running_ = false;
}

}  // namespace reelsight::orchestrator
