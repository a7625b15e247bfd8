/* files.h - whole files: read them, replace them so that a crash never leaves half of one. */
#ifndef LENET_BASE_FILES_H
#define LENET_BASE_FILES_H
#include <stddef.h>
#include <stdint.h>

#include "lenet/status.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading ----
 *
 * Nothing is waited for, and nothing is read that has no end: a file is an ordinary one, or a pipe that somebody writes
 * to, such as the shell's <(command); directories, devices and sockets are refused. Whoever reads says how much. */
enum lenet_opened { LENET_OPENED_FILE, LENET_OPENED_PIPE, LENET_OPENED_DIRECTORY, LENET_OPENED_DEVICE };

/* Opens what is there, whatever it is, and says so. An ordinary file's size is what the file system knows, else
 * UINT64_MAX. LENET_ERR_IO. */
enum lenet_status lenet_file_open(const char *path, int *fd, enum lenet_opened *kind, uint64_t *size,
                                  struct lenet_error *err);

/* A file that is read from its beginning on. */
struct lenet_input {
    const char *path; /* borrowed */
    int fd;
    uint64_t size; /* of an ordinary file; UINT64_MAX: unknown           */
    char *bytes;   /* what was read, and a zero byte: the caller's to free */
    size_t used, room;
};

/* Opens one. LENET_ERR_IO where it is no file, or a pipe that nobody writes to within seconds; LENET_ERR_MEMORY. To be
 * closed, which leaves its bytes, also on failure. */
enum lenet_status lenet_input_open(const char *path, struct lenet_input *input, struct lenet_error *err);
/* Reads on until there are so many bytes, or until the end, where there are fewer. No more memory is taken than that,
 * or than an ordinary file has bytes. LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_input_read(struct lenet_input *input, size_t until, struct lenet_error *err);
/* Forgets the first n bytes. */
void lenet_input_drop(struct lenet_input *input, size_t n);
void lenet_input_close(struct lenet_input *input);

/* Reads all of path, at most so many bytes, into *bytes (to be freed by the caller with free; one zero byte is kept
 * after the end, so that text can be used as a string). what: "a run.json", for LENET_ERR_FORMAT where there are more;
 * otherwise as above. */
enum lenet_status lenet_file_read(const char *path, const char *what, size_t most, char **bytes, size_t *size,
                                  struct lenet_error *err);

/* ---- writing ---- */

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

/* Removes it, and fsyncs the directory; one that is not there is fine. LENET_ERR_IO, with the system's reason. */
enum lenet_status lenet_file_remove(const char *path, struct lenet_error *err);

/* Removes the temporary files that a killed process has left in a directory, whatever they were to replace. Nobody may
 * be replacing a file there meanwhile. A directory that is not there has none. LENET_ERR_IO; LENET_ERR_MEMORY. */
enum lenet_status lenet_directory_clear_temporaries(const char *directory, struct lenet_error *err);

/* Appends these bytes to path (an ordinary file and no link to one, created if need be) and fsyncs. A
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

/* What a path leads to, by whatever links; LENET_FILE is all that is no directory. That nothing is there is known only
 * where the system says so: whatever else keeps it from looking, such as a failing disk, is LENET_ERR_IO. So it is in
 * all of the following. */
enum lenet_path { LENET_NOTHING, LENET_FILE, LENET_DIRECTORY };
enum lenet_status lenet_path_look(const char *path, enum lenet_path *is, struct lenet_error *err);

/* *is becomes 1 where it is there and an ordinary file without a byte, else 0. */
enum lenet_status lenet_path_is_empty(const char *path, int *is, struct lenet_error *err);

/* *has becomes 1 where a directory has something of this name, else 0. */
enum lenet_status lenet_directory_has(const char *directory, const char *name, int *has, struct lenet_error *err);

/* *same becomes 1 where both are there and one file, by whatever names, else 0. */
enum lenet_status lenet_path_is_same(const char *a, const char *b, int *same, struct lenet_error *err);

/* In a directory of runs others may be allowed to write, too, and what this program makes there goes where it says: a
 * symbolic link in its place is not followed. lenet_path_refuse_link fails where one stands; lenet_fail_link says so
 * where open has failed for one. LENET_ERR_IO. */
enum lenet_status lenet_path_refuse_link(const char *path, struct lenet_error *err);
enum lenet_status lenet_fail_link(const char *path, struct lenet_error *err);

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
