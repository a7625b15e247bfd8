/* describe.cc - see describe.h. */
#include "describe.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

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

std::vector<char> ReadAll(const std::string &path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<char> bytes(file ? (size_t)file.tellg() : 0);
    file.seekg(0);
    file.read(bytes.data(), (std::streamsize)bytes.size());
    return bytes;
}

template <class T> T At(const std::vector<char> &file, size_t offset) {
    T value = {};
    if (offset + sizeof value <= file.size()) memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

/* Static functions are in .symtab only, which dladdr does not read. */
std::string SymbolAt(const std::vector<char> &file, uintptr_t address) {
    const auto header = At<ElfW(Ehdr)>(file, 0);
    for (unsigned s = 0; s < header.e_shnum; s++) {
        const auto table = At<ElfW(Shdr)>(file, header.e_shoff + s * sizeof(ElfW(Shdr)));
        if (table.sh_type != SHT_SYMTAB) continue;
        const auto names = At<ElfW(Shdr)>(file, header.e_shoff + table.sh_link * sizeof(ElfW(Shdr)));
        for (size_t offset = table.sh_offset; offset < table.sh_offset + table.sh_size; offset += sizeof(ElfW(Sym))) {
            const auto symbol = At<ElfW(Sym)>(file, offset);
            const size_t name = names.sh_offset + symbol.st_name;
            if ((symbol.st_info & 15) == STT_FUNC && symbol.st_value == address && name < file.size())
                return file.data() + name;
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
        const std::string symbol = SymbolAt(ReadAll(module.path), module.address - module.bias);
        if (!symbol.empty()) return Shorten(Demangle(symbol));
    }
    char text[32];
    snprintf(text, sizeof text, "at %p", kernel);
    return text;
}

} // namespace simt
