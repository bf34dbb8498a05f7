#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

static const kernel_table *const tables[] = {&kernel_table_reference};
static const kernel_table *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

const kernel_table *kernel_table_at(size_t index)
{
    return index < sizeof tables / sizeof *tables ? tables[index] : NULL;
}

static void choose(void)
{
    const char *wanted = getenv("LRNN_KERNELS");
    for (size_t i = 0; kernel_table_at(i) != NULL; i++) {
        chosen = kernel_table_at(i);
        if (wanted != NULL && strcmp(chosen->name, wanted) == 0) {
            return;
        }
    }
}

const kernel_table *kernels(void)
{
    pthread_once(&once, choose);
    return chosen;
}
