/* The options of a model as one list: what each field's default is, what it may be, what a file
 * says of it, and whether two models of the same architecture agree on it. */
#ifndef MODEL_OPTIONS_H
#define MODEL_OPTIONS_H

#include "format/safetensors.h"
#include "lrnn/model.h"

/* Reads a caller's struct, works out what it leaves to the library, and checks it. NULL: the
 * defaults. */
lrnn_status model_options_resolve(lrnn_model_options *resolved, const lrnn_model_options *given);

/* The same options as far as they decide which parameters there are, and what they mean. */
bool model_options_agree(const lrnn_model_options *a, const lrnn_model_options *b);

/* Resolved options as metadata "lrnn.<field>", and back; what a file does not say has its default.
 * LRNN_ERR_FORMAT names file and key. */
lrnn_status model_options_write(safetensors_writer *writer, const lrnn_model_options *options);
lrnn_status model_options_read(lrnn_model_options *options, const safetensors *file);

/* A field that is a list of sizes, which the first 0 ends, as "2000,10000". */
#define OPTIONS_LIST      8
#define OPTIONS_LIST_ROOM (OPTIONS_LIST * 21)
void model_options_write_list(char text[OPTIONS_LIST_ROOM], const size_t *list);

#endif
