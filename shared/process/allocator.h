// SPDX-License-Identifier: Apache-2.0
//
// How the C library hands out memory to this process.
#pragma once

namespace reelsight::process {

// Lets the allocator keep one arena for each processor that this process may use, and two at least. Its own default is
// eight: each arena keeps what its threads freed, so that the memory of a server would go on growing for hundreds of
// clips. Call it before threads are started. Returns the number; 0 where the C library is not glibc or the environment
// (MALLOC_ARENA_MAX, GLIBC_TUNABLES) has a say of its own.
int LimitArenas();

}  // namespace reelsight::process
