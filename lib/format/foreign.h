/* What a file is that is not of a kind that can be read, and what to do about it. */
#ifndef FORMAT_FOREIGN_H
#define FORMAT_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "zip.h"

#define FOREIGN_BYTES 256 /* of the beginning that are looked at */

/* By its first bytes; NULL: not known. */
const char *foreign_beginning(const unsigned char *bytes, size_t length);

/* Whether it begins like a file of torch.save: of PyTorch before 1.6, or like the zip file that it
 * has been since. */
bool foreign_is_old_torch(const unsigned char *bytes, size_t length);
bool foreign_is_torch(const unsigned char *bytes, size_t length);

/* By what is in a zip file; NULL: nothing that is known. */
const char *foreign_zip(const zip_file *zip);

#endif
