// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/fanout/attempt_log.h"

namespace reelsight::orchestrator {

void AttemptLog::AddRetry(const analysis::Batch& batch) {
  MutexLock lock(mutex_);
  for (const analysis::AnalyzerWork& work : batch.work) ++retries_[work.analyzer];
}

int64_t AttemptLog::retries(const std::string& analyzer) const {
  MutexLock lock(mutex_);
  const auto it = retries_.find(analyzer);
  return it == retries_.end() ? 0 : it->second;
}

}  // namespace reelsight::orchestrator
