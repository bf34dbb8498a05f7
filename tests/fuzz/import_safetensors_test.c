/* State_dicts in safetensors files through lrnn_model_import, with options of all kinds: what is
 * taken can be used, saved and exported. */
#include "change_safetensors.h"
#include "import.h"

static void fuzz_one(const unsigned char *bytes, size_t length)
{
    import_one(bytes, length);
}

static size_t fuzz_change(unsigned char *bytes, size_t length, size_t room, uint64_t *random)
{
    if (length < IMPORT_PREFIX || fuzz_random(random, 16) == 0) {
        return fuzz_any(bytes, length, room, random);
    }
    return IMPORT_PREFIX + change_safetensors(bytes + IMPORT_PREFIX, length - IMPORT_PREFIX,
                                              room - IMPORT_PREFIX, import_words, IMPORT_WORDS,
                                              random);
}

FUZZ_TARGET("import_safetensors");
