"""The counter-based random streams of src/base/random.h, for oracles that must be fed the same numbers.

Written from the definitions of Philox4x32-10 (Salmon et al. 2011) and of the streams; XXH3 is the package xxhash.
"""

import math

import torch
import xxhash

MASK = 0xFFFFFFFF


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


class Stream:
    """The stream of a name under a seed."""

    def __init__(self, seed, name):
        key = xxhash.xxh3_64_intdigest(name.encode(), seed=seed)
        self.key = (key & MASK, key >> 32)
        self.index = 0

    def uniform(self):
        words = philox((self.index // 2 & MASK, self.index // 2 >> 32, 0, 0), self.key)
        half = 2 * (self.index % 2)
        self.index += 1
        return ((words[half] | words[half + 1] << 32) >> 11) * 2.0**-53

    def normal(self, *shape):
        numbers = []
        for _ in range(math.prod(shape)):
            u = 1 - self.uniform()
            numbers.append(math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * self.uniform()))
        return torch.tensor(numbers, dtype=torch.float64).view(*shape)
