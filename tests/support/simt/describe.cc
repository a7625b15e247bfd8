/* describe.cc - names of kernels, which are found in the program's own symbols, and places, as reports show them. */
#include "describe.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simt {
namespace {

/* The file that an address was loaded from, and by how much its addresses were moved. */
struct Module {
    uintptr_t address, bias;
    std::string path;
};

int FindModule(dl_phdr_info *info, size_t, void *data) {
    Module *module = static_cast<Module *>(data);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &segment = info->dlpi_phdr[i];
        if (segment.p_type != PT_LOAD || module->address - info->dlpi_addr - segment.p_vaddr >= segment.p_memsz)
            continue;
        module->bias = info->dlpi_addr;
        module->path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
        return 1;
    }
    return 0;
}

/* Mapped, because most of a program is what debuggers read. */
class File {
  public:
    explicit File(const std::string &path) {
        const int file = open(path.c_str(), O_RDONLY);
        struct stat status;
        if (file < 0) return;
        if (fstat(file, &status) == 0) {
            void *bytes = mmap(nullptr, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
            if (bytes != MAP_FAILED) {
                data_ = static_cast<const char *>(bytes);
                size_ = (size_t)status.st_size;
            }
        }
        close(file);
    }
    ~File() {
        if (data_) munmap(const_cast<char *>(data_), size_);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    template <class T> T At(size_t offset) const {
        T value = {};
        if (offset + sizeof value <= size_) memcpy(&value, data_ + offset, sizeof value);
        return value;
    }
    std::string StringAt(size_t offset) const {
        return offset < size_ ? std::string(data_ + offset, strnlen(data_ + offset, size_ - offset)) : "";
    }

  private:
    const char *data_ = nullptr;
    size_t size_ = 0;
};

/* Static functions are in .symtab only, which dladdr does not read. */
std::string SymbolAt(const File &file, uintptr_t address) {
    const auto header = file.At<ElfW(Ehdr)>(0);
    for (unsigned s = 0; s < header.e_shnum; s++) {
        const auto table = file.At<ElfW(Shdr)>(header.e_shoff + s * sizeof(ElfW(Shdr)));
        if (table.sh_type != SHT_SYMTAB) continue;
        const auto names = file.At<ElfW(Shdr)>(header.e_shoff + table.sh_link * sizeof(ElfW(Shdr)));
        for (size_t offset = table.sh_offset; offset < table.sh_offset + table.sh_size; offset += sizeof(ElfW(Sym))) {
            const auto symbol = file.At<ElfW(Sym)>(offset);
            if ((symbol.st_info & 15) == STT_FUNC && symbol.st_value == address)
                return file.StringAt(names.sh_offset + symbol.st_name);
        }
    }
    return "";
}

std::string Demangle(const std::string &symbol) {
    int status;
    char *text = abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status);
    const std::string name = text ? text : symbol;
    free(text);
    return name;
}

/* "void (anonymous namespace)::scale<5>(float*)" becomes "scale<5>". */
std::string Shorten(std::string name) {
    const std::string anonymous = "(anonymous namespace)::";
    for (size_t at; (at = name.find(anonymous)) != std::string::npos;) name.erase(at, anonymous.size());
    const size_t arguments = name.find('(');
    if (arguments != std::string::npos) name.erase(arguments);
    if (name.compare(0, 5, "void ") == 0) name.erase(0, 5);
    return name;
}

} // namespace

std::string describe(Site site) {
    const char *slash = std::strrchr(site.file, '/');
    return std::string(slash ? slash + 1 : site.file) + ":" + std::to_string(site.line);
}

std::string describe(uint3 index) {
    return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

std::string describe_access(Access access, bool past) {
    if (access == Access::kRead) return past ? "read" : "reads";
    if (access == Access::kWrite) return past ? "wrote" : "writes";
    return past ? "changed atomically" : "changes atomically";
}

std::string describe_code(const void *code) {
    Module module = {reinterpret_cast<uintptr_t>(code), 0, ""};
    dl_iterate_phdr(FindModule, &module);
    char text[32];
    snprintf(text, sizeof text, "0x%zx", (size_t)(module.address - module.bias));
    return text;
}

std::string kernel_name(const void *kernel) {
    Module module = {reinterpret_cast<uintptr_t>(kernel), 0, ""};
    if (dl_iterate_phdr(FindModule, &module)) {
        const std::string symbol = SymbolAt(File(module.path), module.address - module.bias);
        if (!symbol.empty()) return Shorten(Demangle(symbol));
    }
    char text[32];
    snprintf(text, sizeof text, "at %p", kernel);
    return text;
}

} // namespace simt
