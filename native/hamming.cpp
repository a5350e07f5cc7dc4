#include "hamming.hpp"

#include <algorithm>

#include "hamming_search.hpp"

namespace seawall {
namespace {

// Below this many hashes comparing with each of them is quicker than any table, and the tables' 4 MB would be waste.
constexpr std::size_t kMinTabled = 8192;

// Neighbouring bits of real PDQ hashes are correlated, which would crowd some buckets. One fixed permutation spreads them;
// distances do not change. Written into every index, so it may never change.
constexpr std::array<std::uint8_t, 256> kBitOrder = [] {
    std::array<std::uint8_t, 256> order{};
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<std::uint8_t>(i);
    }
    std::uint64_t state = 0x5EA3A11;
    for (std::size_t i = order.size() - 1; i > 0; --i) {
        state = state * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX generator
        const std::size_t j = static_cast<std::size_t>((state >> 33) % (i + 1));
        const std::uint8_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return order;
}();

HashWords permuted(const std::uint8_t* hash) {
    HashWords words{};
    for (std::size_t word = 0; word < words.size(); ++word) {
        std::uint64_t bits = 0;
        for (std::size_t bit = 0; bit < 64; ++bit) {
            const std::size_t from = kBitOrder[word * 64 + bit];
            bits |= static_cast<std::uint64_t>((hash[from / 8] >> (from % 8)) & 1U) << bit;
        }
        words[word] = bits;
    }
    return words;
}

// Sorts the hashes into the buckets of one band, in order of position within each bucket.
void fill_band(const FlatArray<HashWords>& hashes, std::size_t band, std::uint32_t* starts, std::uint16_t* nexts,
               std::uint32_t* positions) {
    const std::size_t count = hashes.size();
    for (std::size_t i = 0; i < count; ++i) {
        ++starts[band_of(hashes.data()[i], band) + 1];
    }
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        starts[bucket + 1] += starts[bucket];
    }
    std::vector<std::uint32_t> ends(starts, starts + kBuckets);
    for (std::size_t i = 0; i < count; ++i) {
        const HashWords& hash = hashes.data()[i];
        const std::uint32_t entry = ends[band_of(hash, band)]++;
        nexts[entry] = static_cast<std::uint16_t>(band_of(hash, (band + 1) % kBands));
        positions[entry] = static_cast<std::uint32_t>(i);
    }
}

}  // namespace

HammingIndex::HammingIndex(const std::uint8_t* hashes, std::size_t count)
    : hashes_(count),
      starts_(count < kMinTabled ? 0 : kBands * (kBuckets + 1)),
      nexts_(count < kMinTabled ? 0 : kBands * count + kVectorPadding),
      positions_(count < kMinTabled ? 0 : kBands * count) {
    for (std::size_t i = 0; i < count; ++i) {
        hashes_.data()[i] = permuted(hashes + i * kHashBytes);
    }
    if (positions_.size() != 0) {
        for (std::size_t band = 0; band < kBands; ++band) {
            fill_band(hashes_, band, starts_.data() + band * (kBuckets + 1), nexts_.data() + band * count,
                      positions_.data() + band * count);
        }
    }
    tables_ = {count, hashes_.data(), starts_.data(), nexts_.data(), positions_.data()};
}

std::size_t HammingIndex::memory_bytes() const {
    return hashes_.bytes() + starts_.bytes() + nexts_.bytes() + positions_.bytes();
}

void HammingIndex::search(const std::uint8_t* queries, std::size_t count, int radius, std::vector<Hit>& hits,
                          std::vector<std::int64_t>& ends) const {
    std::vector<HashWords> words(count);
    for (std::size_t i = 0; i < count; ++i) {
        words[i] = permuted(queries + i * kHashBytes);
    }
    search_tables(tables_, words, radius, hits, ends);
}

}  // namespace seawall
