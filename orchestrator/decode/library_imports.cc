// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/library_imports.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

static_assert(sizeof(ElfW(Addr)) == 8, "relocations are read as those of 64-bit machines");

// What the dynamic section of a library says about its imports.
struct ImportTable {
  ElfW(Addr) base = 0;
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  // Calls through the procedure linkage table, and addresses that are loaded.
  std::span<const ElfW(Rela)> calls;
  std::span<const ElfW(Rela)> addresses;
  // Made read-only once the library was loaded.
  uintptr_t relro_begin = 0;
  uintptr_t relro_end = 0;
};

struct Search {
  std::string_view library;
  ImportTable table;
  bool found = false;
};

// An address of the dynamic section, which most systems have relocated already.
template <typename T>
const T* At(ElfW(Addr) base, ElfW(Addr) address) {
  return reinterpret_cast<const T*>(address < base ? base + address : address);  // NOLINT
}

void ReadDynamicSection(const ElfW(Dyn) * entry, ImportTable& table) {
  const ElfW(Rela)* calls = nullptr;
  const ElfW(Rela)* addresses = nullptr;
  size_t calls_bytes = 0, addresses_bytes = 0;
  for (; entry->d_tag != DT_NULL; ++entry) {
    switch (entry->d_tag) {
      case DT_SYMTAB:
        table.symbols = At<ElfW(Sym)>(table.base, entry->d_un.d_ptr);
        break;
      case DT_STRTAB:
        table.names = At<char>(table.base, entry->d_un.d_ptr);
        break;
      case DT_JMPREL:
        calls = At<ElfW(Rela)>(table.base, entry->d_un.d_ptr);
        break;
      case DT_PLTRELSZ:
        calls_bytes = entry->d_un.d_val;
        break;
      case DT_RELA:
        addresses = At<ElfW(Rela)>(table.base, entry->d_un.d_ptr);
        break;
      case DT_RELASZ:
        addresses_bytes = entry->d_un.d_val;
        break;
      default:
        break;
    }
  }
  if (calls != nullptr) table.calls = {calls, calls_bytes / sizeof(ElfW(Rela))};
  if (addresses != nullptr) table.addresses = {addresses, addresses_bytes / sizeof(ElfW(Rela))};
}

int Visit(dl_phdr_info* info, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  const std::string_view path = info->dlpi_name;
  if (!path.substr(path.rfind('/') + 1).starts_with(search.library)) return 0;
  search.found = true;
  search.table.base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_DYNAMIC) {
      ReadDynamicSection(reinterpret_cast<const ElfW(Dyn)*>(begin), search.table);  // NOLINT
    } else if (segment.p_type == PT_GNU_RELRO) {
      search.table.relro_begin = begin;
      search.table.relro_end = begin + segment.p_memsz;
    }
  }
  return 1;
}

bool Write(const ImportTable& table, uintptr_t slot, void* value) {
  const auto page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto* page = reinterpret_cast<void*>(slot / page_bytes * page_bytes);  // NOLINT
  if (mprotect(page, page_bytes, PROT_READ | PROT_WRITE) != 0) return false;
  std::atomic_ref<void*>(*reinterpret_cast<void**>(slot)).store(value);  // NOLINT
  if (slot < table.relro_begin || slot >= table.relro_end) return true;
  return mprotect(page, page_bytes, PROT_READ) == 0;
}

}  // namespace

absl::Status ReplaceImports(const std::string& library, std::span<const LibraryImport> imports) {
  Search search{.library = library, .table = {}};
  dl_iterate_phdr(&Visit, &search);
  const ImportTable& table = search.table;
  if (!search.found || table.symbols == nullptr || table.names == nullptr) {
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                     absl::StrCat(library, " is not loaded as a shared library"));
  }
  for (const LibraryImport& import : imports) {
    // What the library's own import is bound to, or would be at its first call.
    *import.original = dlsym(RTLD_DEFAULT, import.name);
    int replaced = 0;
    for (const auto& relocations : {table.calls, table.addresses}) {
      for (const ElfW(Rela) & relocation : relocations) {
        const ElfW(Sym)& symbol = table.symbols[ELF64_R_SYM(relocation.r_info)];
        if (symbol.st_shndx != SHN_UNDEF || table.names + symbol.st_name != std::string_view(import.name)) continue;
        if (*import.original == nullptr || !Write(table, table.base + relocation.r_offset, import.replacement)) {
          return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                           absl::StrCat("the import ", import.name, " of ", library, " cannot be replaced"));
        }
        ++replaced;
      }
    }
    if (replaced == 0) {
      return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                       absl::StrCat(library, " does not import ", import.name));
    }
  }
  return absl::OkStatus();
}

}  // namespace reelsight::orchestrator
