/* files.h - whole files: read them, replace them so that a crash never leaves half of one. */
#ifndef LENET_BASE_FILES_H
#define LENET_BASE_FILES_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* Reads all of path into *bytes (to be freed by the caller with free; one zero
 * byte is kept after the end, so that text can be used as a string).
 * LENET_ERR_IO where it cannot be opened or read, or is a directory;
 * LENET_ERR_MEMORY. */
enum lenet_status lenet_file_read(const char *path, char **bytes, size_t *size, struct lenet_error *err);

/* Replaces path by these bytes: writes a temporary file beside it, fsyncs,
 * renames it over path and fsyncs the directory. On failure path is as it was
 * and the temporary file is gone; only where the directory's fsync is what failed,
 * path is new already. A symbolic link is replaced, not what it points to; a
 * directory or a device is refused. LENET_ERR_IO, with the system's reason. */
enum lenet_status lenet_file_replace(const char *path, const void *bytes, size_t size, struct lenet_error *err);

/* Fails where lenet_file_replace could not even begin, for want of a directory or of the right to write there: before
 * work whose result path is to keep. */
enum lenet_status lenet_file_check_place(const char *path, struct lenet_error *err);

/* Replaces path by its own first bytes, or all of them where it has no more. Fails as the two above do. */
enum lenet_status lenet_file_cut(const char *path, size_t size, struct lenet_error *err);

/* Removes the temporary files that a killed process has left in a directory, whatever they were to replace. Nobody may
 * be replacing a file there meanwhile. */
void lenet_directory_clear_temporaries(const char *directory);

/* Appends these bytes to path (an ordinary file, created if need be) and fsyncs. A
 * failed append is cut off again, so the file never keeps part of a record; the
 * error says so where even that fails. One writer at a time: cutting off would take
 * what another has appended meanwhile. LENET_ERR_IO, with the system's reason. */
enum lenet_status lenet_file_append(const char *path, const void *bytes, size_t size, struct lenet_error *err);

/* Seconds that an append takes in this directory, or in the nearest parent that is there: about those of its fsync.
 * They are measured on files without a name, so that nothing is seen there; 0 where that cannot be done. */
double lenet_directory_sync_seconds(const char *path);

/* Creates the directory and its missing parents; one that is there is fine.
 * LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_directory_create(const char *path, struct lenet_error *err);

/* Creates the directory, with its missing parents, unless something of that name is there: *made says which. Of several
 * processes that try one makes it. Fails likewise. */
enum lenet_status lenet_directory_claim(const char *path, int *made, struct lenet_error *err);

/* Return 1 where path exists (a file or a directory), where it is a directory, and where a directory has something of
 * this name, else 0. */
int lenet_path_exists(const char *path);
int lenet_path_is_directory(const char *path);
int lenet_directory_has(const char *directory, const char *name);

/* Returns 1 where both are there and one file, by whatever names. */
int lenet_path_is_same(const char *a, const char *b);

/* Calls take(self, path) for each entry of the directory whose name begins and ends so, in alphabetical order, until
 * it fails. A directory that is not there is empty. */
enum lenet_status lenet_directory_each(const char *directory, const char *begin, const char *end,
                                       enum lenet_status (*take)(void *self, const char *path, struct lenet_error *err),
                                       void *self, struct lenet_error *err);

/* The names in a directory that begin and end so, in the order of their bytes. The caller frees each and *names.
 * LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_directory_list(const char *path, const char *begin, const char *end, char ***names, int *n,
                                       struct lenet_error *err);

/* SHA-256 of the concatenation of n pieces, as 64 lower-case hexadecimal digits
 * and a zero byte. LENET_ERR_MEMORY, with hex empty, where libcrypto fails. */
struct lenet_piece {
    const void *bytes;
    size_t size;
};
enum lenet_status lenet_sha256(const struct lenet_piece *pieces, int n, char hex[65], struct lenet_error *err);

#ifdef __cplusplus
}
#endif
#endif
