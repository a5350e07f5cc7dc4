// Every hash within a radius of a query, among many 256-bit hashes: exact, never approximate. Knows nothing of Python.
//
// The 256 bits are cut into 16 bands of 16 bits. A hash within radius r of the query must agree closely with it in some
// band (pigeonhole) and in that band together with the next (the ring of bands: Qin and Xiao, "Pigeonring", VLDB 2018).
// So each band has a table of buckets by its 16 bits, each entry of which carries the 16 bits of the next band: a query
// reads the few buckets near its own bits, drops nearly every entry by its next band, and verifies the rest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "flat_array.hpp"

namespace seawall {

constexpr std::size_t kHashBytes = 32;
constexpr int kMaxRadius = 64;

constexpr std::size_t kBands = 16;
constexpr std::size_t kBuckets = 65536;

using HashWords = std::array<std::uint64_t, 4>;

struct Hit {
    std::uint32_t position;
    std::uint16_t distance;
};

// The whole index as flat arrays, wherever they lie. Without tables (a small index) only count and hashes are set.
struct HammingTables {
    std::size_t count = 0;
    const HashWords* hashes = nullptr;         // count, in order of position, bits permuted
    const std::uint32_t* starts = nullptr;     // kBands x (kBuckets + 1): where each bucket of a band starts
    const std::uint16_t* nexts = nullptr;      // kBands x count, and kVectorPadding more: bits of the next band
    const std::uint32_t* positions = nullptr;  // kBands x count: which hash each entry is
};

// A vector may read this many entries of `nexts` past the last one.
constexpr std::size_t kVectorPadding = 16;

class HammingIndex {
  public:
    // Copies count x 32 bytes. At most 2^32 - 1 hashes.
    HammingIndex(const std::uint8_t* hashes, std::size_t count);

    std::size_t size() const { return hashes_.size(); }
    std::size_t memory_bytes() const;

    // Appends to hits, for each of the count x 32 bytes at queries in turn, every hash within radius (0..64), sorted by
    // distance, then position; and to ends the size of hits after each query.
    void search(const std::uint8_t* queries, std::size_t count, int radius, std::vector<Hit>& hits,
                std::vector<std::int64_t>& ends) const;

  private:
    FlatArray<HashWords> hashes_;
    FlatArray<std::uint32_t> starts_;
    FlatArray<std::uint16_t> nexts_;
    FlatArray<std::uint32_t> positions_;
    HammingTables tables_;
};

}  // namespace seawall
