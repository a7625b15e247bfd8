/* c_source.h - an integer network as the text of a C file. */
#ifndef LENET_EXPORT_C_SOURCE_H
#define LENET_EXPORT_C_SOURCE_H
#include "base/text.h"
#include "export/quantize.h"
#include "lenet/export.h"

/* Bytes of a network's constants, where pointers have 8 bytes, and of its memory. */
size_t lenet_constant_bytes(const struct lenet_integer_network *network);
size_t lenet_ram_bytes(const struct lenet_integer_network *network);

/* text->bytes is the caller's to free. LENET_ERR_MEMORY. */
enum lenet_status lenet_c_source(const struct lenet_integer_network *network, const struct lenet_export *facts,
                                 struct lenet_text *text, struct lenet_error *err);

#endif
