// The first half of PDQ: a picture of any size becomes 64 x 64 blurred samples of its luma.
//
// pdqhash blurs with running sums in float32, so its samples carry rounding errors that depend on the order of its
// additions. shrink_exactly repeats that order and gives the very same floats. shrink_quickly computes what the samples
// would be without rounding errors, many times faster. pdq.cpp starts with the quick way and takes the exact one whenever
// errors of that size could change the answer.
#pragma once

#include <array>
#include <cstddef>

#include "pdq.hpp"

namespace seawall {

constexpr std::size_t kSmallSide = 64;

using Small = std::array<std::array<float, kSmallSide>, kSmallSide>;

// The box covers a 128th of the side, rounded up: two passes of it cover one cell of the 64 x 64 grid.
constexpr std::size_t box_window(std::size_t side) { return (side + 127) / 128; }

// Samples are taken from the middles of the cells.
constexpr std::size_t cell_middle(std::size_t cell, std::size_t side) { return (2 * cell + 1) * side / (2 * kSmallSide); }

// How many positions after the middle one a box of this window takes in; before it, it takes in window - 1 - ahead.
constexpr std::size_t box_ahead(std::size_t window) { return (window + 2) / 2 - 1; }

// Thousandths are whole numbers and their division is correctly rounded; pdqhash gets the same float32 from float64 for
// each of the 2^24 colours.
inline float luma_of(const std::uint8_t* rgb) {
    return static_cast<float>(299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000.0F;
}

void shrink_exactly(RgbPixels pixels, Small& small);

// Taller pictures are shrunk exactly only: the weights of the quick way would not fit in 16 bits.
constexpr std::size_t kMaxQuickRows = 128 * 256;

void shrink_quickly(RgbPixels pixels, Small& small);

}  // namespace seawall
