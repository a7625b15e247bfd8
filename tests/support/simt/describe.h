/* describe.h - names and places, as reports show them. */
#ifndef LENET_SIMT_DESCRIBE_H
#define LENET_SIMT_DESCRIBE_H
#include <string>

#include "shared.h"
#include "vector_types.h"

namespace simt {

/* conv.cu:41 */
std::string describe(Site site);
/* (3,0,0) */
std::string describe(uint3 index);
/* reads; or in the past, read */
std::string describe_access(Access access, bool past);
/* What addr2line takes to say which line of which file the code is of. */
std::string describe_code(const void *code);
/* The function's symbol without its arguments, from the program's symbol table:
 * a kernel is launched through a pointer. Its address where there is none. */
std::string kernel_name(const void *kernel);

} // namespace simt
#endif
