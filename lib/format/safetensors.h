/* Reading and writing safetensors files (https://github.com/huggingface/safetensors): eight bytes
 * of header length, a JSON header, then the tensors' bytes. Knows nothing of models. Every byte
 * read is hostile until checked: sizes, overlaps, holes, ranges, UTF-8, duplicate names, depth. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include <stdbool.h>

#include "base/real.h"
#include "input_file.h"
#include "lrnn/base.h"

#define SAFETENSORS_MAX_RANK 8

typedef enum tensor_dtype {
    TENSOR_F64,
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I64,
    TENSOR_I32,
    TENSOR_I16,
    TENSOR_I8,
    TENSOR_U64,
    TENSOR_U32,
    TENSOR_U16,
    TENSOR_U8,
    TENSOR_BOOL
} tensor_dtype;

typedef struct tensor_view {
    const char *name; /* NUL-terminated UTF-8 without embedded NUL */
    tensor_dtype dtype;
    size_t rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t count; /* number of elements */
    /* count * dtype size bytes, little-endian: in memory, maybe unaligned, or where that is NULL in
     * a file. See tensor_bytes. */
    const unsigned char *data;
    const input_file *file;
    size_t offset;
    bool digested; /* the file has a digest of these bytes: XXH3, see digest.h */
    uint64_t digest;
} tensor_view;

/* ---- reading ---- */

typedef struct safetensors safetensors;

/* Opens a file and reads its header; the tensors stay in the file, open until safetensors_destroy.
 * LRNN_ERR_IO: it cannot be opened or read (the message has the path and the system's reason).
 * LRNN_ERR_FORMAT: not a safetensors file (the message has the path and what is wrong).
 * LRNN_ERR_MEMORY. */
lrnn_status safetensors_open(safetensors **file, const lrnn_allocator *allocator, const char *path);

/* The same in memory, which is not copied. `name` stands for the path in messages. */
lrnn_status safetensors_parse(safetensors **file, const lrnn_allocator *allocator, const char *name,
                              const void *bytes, size_t length);
void safetensors_destroy(safetensors *file);

/* The path or name it was read from. */
const char *safetensors_name(const safetensors *file);

size_t safetensors_count(const safetensors *file);
const tensor_view *safetensors_tensor(const safetensors *file, size_t index); /* in offset order */
const tensor_view *safetensors_find(const safetensors *file, const char *name); /* NULL: none */

/* Value of a __metadata__ key, unescaped; NULL if there is none. It may contain NUL bytes when
 * written so; `length` may be NULL. */
const char *safetensors_metadata(const safetensors *file, const char *key, size_t *length);

/* Converts count elements from the view to reals; F64, F32, F16 and BF16 only. `first` is the
 * index of the first element. A tensor that is read whole is held against its digest, here and in
 * tensor_bytes: LRNN_ERR_FORMAT, naming it. Returns LRNN_ERR_FORMAT naming the tensor for another
 * dtype, and LRNN_ERR_IO with path and reason when its file cannot be read. */
lrnn_status tensor_read(real *to, const tensor_view *view, size_t first, size_t count);

/* Copies their bytes as they are in the file. LRNN_ERR_IO, LRNN_ERR_FORMAT. */
lrnn_status tensor_bytes(void *to, const tensor_view *view, size_t first, size_t count);

/* The same as numbers of the dtype in the machine's byte order. */
lrnn_status tensor_numbers(void *to, const tensor_view *view, size_t first, size_t count);

/* Holds all bytes against the digest, if there is one, for a tensor that is read in parts: only
 * whole ones are checked by the two above. LRNN_ERR_FORMAT, LRNN_ERR_IO. */
lrnn_status tensor_check(const tensor_view *view);

/* Whether both have the same bytes, not equal ones. */
bool tensor_is_same(const tensor_view *a, const tensor_view *b);

const char *tensor_dtype_name(tensor_dtype dtype); /* "F32" */
tensor_dtype tensor_dtype_named(const char *name); /* that there is */
size_t tensor_dtype_size(tensor_dtype dtype);

/* ---- writing ---- */

typedef struct safetensors_writer safetensors_writer;

lrnn_status safetensors_writer_create(safetensors_writer **writer, const lrnn_allocator *allocator);
void safetensors_writer_destroy(safetensors_writer *writer);

/* Adds a metadata entry; key and value are copied. The value must be valid UTF-8 (NUL allowed). */
lrnn_status safetensors_writer_metadata(safetensors_writer *writer, const char *key,
                                        const char *value, size_t length);

/* Adds a tensor. The data (dense, native byte order) is borrowed until the writer is saved or
 * destroyed; the name is copied. In the file tensors of wider numbers come first, otherwise they
 * keep the order in which they were added. LRNN_ERR_INVALID: a name twice, not UTF-8 or reserved.
 */
lrnn_status safetensors_writer_tensor(safetensors_writer *writer, const char *name,
                                      tensor_dtype dtype, size_t rank, const size_t *shape,
                                      const void *data);

/* The same, for data that are written separately, after a head of safetensors_writer_head. */
lrnn_status safetensors_writer_place(safetensors_writer *writer, const char *name,
                                     tensor_dtype dtype, size_t rank, const size_t *shape);

/* Adds the digests of all that was added before, which readers will check; only for files of our
 * own. A place has none. */
lrnn_status safetensors_writer_sign(safetensors_writer *writer);

/* Room for the data of a tensor, count * size bytes, zeroed, that is released with the writer. NULL
 * with LRNN_ERR_MEMORY set. */
void *safetensors_writer_room(safetensors_writer *writer, size_t count, size_t size);

/* Writes everything to a temporary file in the same folder, syncs it, renames it over `path` (over
 * what it points at, if it is a symbolic link) and syncs the folder. On any failure the old file is
 * untouched and the temporary one is removed; only where the folder could not be synced the new
 * file is already there. Metadata is sorted by key; equal content gives equal bytes. LRNN_ERR_IO
 * with the path and the reason. */
lrnn_status safetensors_writer_save(safetensors_writer *writer, const char *path);

/* The same bytes into memory of the allocator (memory_release frees them). */
lrnn_status safetensors_writer_memory(safetensors_writer *writer, void **bytes, size_t *length);

/* The head of the file alone, its length and header, for data that is written separately and whose
 * length is known only at the end. The header is padded with spaces to at least `room` bytes in
 * all, so that one with larger numbers can take its place. memory_release frees it. */
lrnn_status safetensors_writer_head(safetensors_writer *writer, void **bytes, size_t *length,
                                    size_t room);

/* The dtype of `real`. */
#define TENSOR_REAL (LRNN_REAL_IS_FLOAT ? TENSOR_F32 : TENSOR_F64)

#endif
