/* Philox4x32-10: ten rounds of two multiplications, with a key that two Weyl sequences advance.
 * Words become uniform numbers by their upper bits and normal ones by the method of Box and Muller.
 */
#include "random.h"

#include <math.h>

void random_block(uint32_t words[4], uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

static double unit53(uint32_t high, uint32_t low)
{
    uint64_t bits = ((uint64_t)high << 32 | low) >> 11;
    return (double)bits * (1.0 / 9007199254740992.0);
}

double random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[4];
    random_block(words, seed, stream, index);
    return unit53(words[0], words[1]);
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[4];
    random_block(words, seed, stream, index);
    double radius = sqrt(-2.0 * log(1.0 - unit53(words[0], words[1])));
    return radius * cos(6.283185307179586477 * unit53(words[2], words[3]));
}
