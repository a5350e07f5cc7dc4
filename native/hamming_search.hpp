// The search itself, over flat arrays: a scan of every hash, and the probing of buckets described in hamming.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hamming.hpp"

namespace seawall {

// 16 bits of a hash; its bits must have been permuted.
inline std::uint32_t band_of(const HashWords& hash, std::size_t band) {
    return static_cast<std::uint32_t>(hash[band / 4] >> (band % 4 * 16)) & 0xFFFFU;
}

// As HammingIndex::search, with queries whose bits have been permuted like those of the hashes.
void search_tables(const HammingTables& tables, const std::vector<HashWords>& queries, int radius,
                   std::vector<Hit>& hits, std::vector<std::int64_t>& ends);

}  // namespace seawall
