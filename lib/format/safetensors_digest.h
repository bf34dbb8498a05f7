/* The digests in a file's metadata, for the sources that write and read headers. */
#ifndef FORMAT_SAFETENSORS_DIGEST_H
#define FORMAT_SAFETENSORS_DIGEST_H

#include "digest.h"
#include "header.h"

#define SAFETENSORS_DIGEST "lrnn.digest" /* the metadata key */

/* Each entry of the metadata in the order of the keys, then each tensor in that of their bytes. */
void header_digest_metadata(digest *sum, const char *key, const char *value, size_t length);
void header_digest_tensor(digest *sum, const char *name, tensor_dtype dtype, size_t rank,
                          const size_t *shape);

/* The text of a file with so many tensors: its length, without a NUL, and its parts. `value` NULL:
 * the tensor has no digest. */
size_t header_digests_length(size_t tensors);
void header_digests_begin(char *text, uint64_t header);
void header_digests_put(char *text, size_t tensor, const uint64_t *value);

/* Checks the header against its digest and gives the tensors theirs; nothing where the file has
 * none. LRNN_ERR_FORMAT. */
lrnn_status safetensors_read_digests(safetensors *file);

#endif
