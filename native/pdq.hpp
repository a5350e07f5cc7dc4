// PDQ, the perceptual image hash, of RGB pixels. Knows nothing of Python.
//
// Conforms bit for bit to the Python package pdqhash 0.2.8 on full-size RGB pixels, quality included.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace seawall {

// 256 bits as one big-endian number: the bytes in the order in which the hash is written in hexadecimal.
using PdqBits = std::array<std::uint8_t, 32>;

// How many ways a picture can be turned and mirrored; their order is that of pdqhash:
// as it is, turned by 90, 180 and 270 degrees, mirrored along x, along y, and along the two diagonals.
constexpr std::size_t kDihedralCount = 8;

struct PdqHash {
    PdqBits bits{};
    int quality = 0;  // 0 (featureless) to 100
};

struct PdqDihedralHashes {
    std::array<PdqBits, kDihedralCount> bits{};
    int quality = 0;
};

// A view of C-contiguous 8-bit RGB pixels: rows x columns x 3. Both sides are at least 1.
struct RgbPixels {
    const std::uint8_t* data;
    std::size_t rows;
    std::size_t columns;
};

PdqHash pdq_hash(RgbPixels pixels);
PdqDihedralHashes pdq_hash_dihedral(RgbPixels pixels);

}  // namespace seawall
