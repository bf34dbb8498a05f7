/* What the metadata of a file claims of its tensors. */
#ifndef MODEL_CLAIMS_H
#define MODEL_CLAIMS_H

#include "format/safetensors.h"
#include "lrnn/model.h"

/* Compares every size and flag of `o`, as a file's metadata has them, with the tensors that they
 * decide about. LRNN_ERR_FORMAT: names the file, the fields and the tensor. Tensors that are
 * missing altogether are left to whoever reads them. */
lrnn_status claims_check(const lrnn_model_options *o, const safetensors *file);

#endif
