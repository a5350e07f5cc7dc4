// The samples of pdqhash without its rounding errors, from one read of the picture.
//
// Two passes of a box are linear, so each sample row is a weighted sum of picture rows (a tent, mostly), and each sample
// of it a weighted sum of columns. Rows come first: their weights are small whole numbers, so that the sums of red, green
// and blue stay exact in 16 bits and a vector holds many. Only these sums are turned into luma and summed along the row.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "cpu.hpp"
#include "shrink.hpp"

#ifdef SEAWALL_HAS_AVX2_BUILD
#include <immintrin.h>
#endif

namespace seawall {
namespace {

// 257 * 255 is the largest sum of weighted bytes that fits in 16 bits.
constexpr unsigned kMaxWeightSum = 257;

// Four rows up to this weight stay below that sum together.
constexpr unsigned kMaxSharedWeight = 64;

// Positions first, first + 1, … weigh weights[0], weights[1], …, all times scale.
struct Tent {
    std::size_t first = 0;
    std::vector<std::uint16_t> weights;
    double scale = 0;
};

struct Range {
    std::size_t first;
    std::size_t last;
    std::size_t size() const { return last - first + 1; }
};

Range box_around(std::size_t middle, std::size_t side) {
    const std::size_t window = box_window(side);
    const std::size_t ahead = box_ahead(window);
    const std::size_t behind = window - 1 - ahead;
    return {middle < behind ? 0 : middle - behind, std::min(middle + ahead, side - 1)};
}

// The weights of one sample. A box that the picture's edge cuts is a mean of fewer values; since that changes the
// denominator, boxes of the first pass are grouped by their size and each group is a tent of whole numbers.
std::vector<Tent> tents_of(std::size_t cell, std::size_t side) {
    const Range outer = box_around(cell_middle(cell, side), side);
    std::vector<Tent> tents;
    std::size_t group_size = 0;
    for (std::size_t p = outer.first; p <= outer.last; ++p) {
        const Range inner = box_around(p, side);
        if (inner.size() != group_size) {
            group_size = inner.size();
            tents.push_back({inner.first, {}, 1.0 / static_cast<double>(outer.size() * group_size)});
        }
        Tent& tent = tents.back();
        tent.weights.resize(inner.last - tent.first + 1);
        for (std::size_t q = inner.first; q <= inner.last; ++q) {
            ++tent.weights[q - tent.first];
        }
    }
    return tents;
}

// Up to four picture rows and their weights; missing ones repeat a row with weight 0.
struct FourRows {
    std::array<const std::uint8_t*, 4> rows;
    std::array<std::uint16_t, 4> weights;
};

SEAWALL_INLINE void add_rows_plainly(const FourRows& four, std::size_t from, std::size_t bytes,
                                     std::uint16_t* SEAWALL_RESTRICT sums) {
    for (std::size_t i = from; i < bytes; ++i) {
        const unsigned sum = sums[i] + four.weights[0] * four.rows[0][i] + four.weights[1] * four.rows[1][i] +
                             four.weights[2] * four.rows[2][i] + four.weights[3] * four.rows[3][i];
        sums[i] = static_cast<std::uint16_t>(sum);
    }
}

// Adds the luma of `columns` sums of red, green and blue, times scale.
SEAWALL_INLINE void add_luma_plainly(const std::uint16_t* sums, double scale, std::size_t from, std::size_t columns,
                                     double* SEAWALL_RESTRICT luma) {
    for (std::size_t x = from; x < columns; ++x) {
        const int thousandths = 299 * sums[3 * x] + 587 * sums[3 * x + 1] + 114 * sums[3 * x + 2];
        luma[x] += scale * thousandths;
    }
}

// The columns that make up each sample, padded with weight 0 to whole vectors of four.
constexpr std::size_t kLanes = 4;

struct ColumnWeights {
    explicit ColumnWeights(std::size_t columns) {
        std::size_t longest = 0;
        std::array<std::vector<double>, kSmallSide> all;
        for (std::size_t j = 0; j < kSmallSide; ++j) {
            const std::vector<Tent> tents = tents_of(j, columns);
            first[j] = tents.front().first;
            for (const Tent& tent : tents) {
                first[j] = std::min(first[j], tent.first);
            }
            for (const Tent& tent : tents) {
                const std::size_t shift = tent.first - first[j];
                all[j].resize(std::max(all[j].size(), shift + tent.weights.size()));
                for (std::size_t k = 0; k < tent.weights.size(); ++k) {
                    all[j][shift + k] += tent.scale * tent.weights[k];
                }
            }
            longest = std::max(longest, all[j].size());
        }
        length = (longest + kLanes - 1) / kLanes * kLanes;
        weights.resize(length * kSmallSide);
        for (std::size_t j = 0; j < kSmallSide; ++j) {
            std::copy(all[j].begin(), all[j].end(), weights.begin() + static_cast<std::ptrdiff_t>(j * length));
        }
    }

    std::array<std::size_t, kSmallSide> first{};
    std::size_t length = 0;
    std::vector<double> weights;
};

SEAWALL_INLINE void sample_row(const double* luma, const ColumnWeights& columns, std::array<float, kSmallSide>& samples) {
    for (std::size_t j = 0; j < kSmallSide; ++j) {
        const double* SEAWALL_RESTRICT from = luma + columns.first[j];
        const double* SEAWALL_RESTRICT weights = columns.weights.data() + j * columns.length;
        double sum[kLanes] = {};
        for (std::size_t k = 0; k < columns.length; k += kLanes) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                sum[lane] += weights[k + lane] * from[k + lane];
            }
        }
        samples[j] = static_cast<float>((sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
}

struct PlainLoops {
    static SEAWALL_INLINE void add_rows(const FourRows& four, std::size_t bytes, std::uint16_t* sums) {
        add_rows_plainly(four, 0, bytes, sums);
    }
    static SEAWALL_INLINE void add_luma(const std::uint16_t* sums, double scale, std::size_t columns, double* luma) {
        add_luma_plainly(sums, scale, 0, columns, luma);
    }
};

#ifdef SEAWALL_HAS_AVX2_BUILD
#define SEAWALL_AVX2_STEP __attribute__((target("avx2"))) inline

struct Avx2Loops {
    // maddubs multiplies bytes with signed bytes and adds neighbours in 16 signed bits, so that interleaving two rows
    // weighs and adds both at once. Two weights up to 64 cannot overflow it; larger ones take the plain way.
    static SEAWALL_AVX2_STEP void add_rows(const FourRows& four, std::size_t bytes, std::uint16_t* sums) {
        std::size_t i = 0;
        if (*std::max_element(four.weights.begin(), four.weights.end()) <= kMaxSharedWeight) {
            const __m256i upper = _mm256_set1_epi16(static_cast<short>(four.weights[0] | four.weights[1] << 8));
            const __m256i lower = _mm256_set1_epi16(static_cast<short>(four.weights[2] | four.weights[3] << 8));
            for (; i + 32 <= bytes; i += 32) {
                const __m256i a = load(four.rows[0] + i);
                const __m256i b = load(four.rows[1] + i);
                const __m256i c = load(four.rows[2] + i);
                const __m256i d = load(four.rows[3] + i);
                const __m256i low = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), upper),
                                                     _mm256_maddubs_epi16(_mm256_unpacklo_epi8(c, d), lower));
                const __m256i high = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), upper),
                                                      _mm256_maddubs_epi16(_mm256_unpackhi_epi8(c, d), lower));
                // Unpacking works within halves of 16 bytes: low holds bytes 0-7 and 16-23, high 8-15 and 24-31.
                add_to(sums + i, _mm256_permute2x128_si256(low, high, 0x20));
                add_to(sums + i + 16, _mm256_permute2x128_si256(low, high, 0x31));
            }
        }
        add_rows_plainly(four, i, bytes, sums);
    }

    // Four columns at a time: madd takes signed 16 bits, so the sums are shifted down by 32 768 and the luma back up.
    static SEAWALL_AVX2_STEP void add_luma(const std::uint16_t* sums, double scale, std::size_t columns, double* luma) {
        const __m256i pick = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, 9, 10, 11, -1, -1,  //
                                              0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, 9, 10, 11, -1, -1);
        const __m256i shares = _mm256_setr_epi16(299, 587, 114, 0, 299, 587, 114, 0, 299, 587, 114, 0, 299, 587, 114, 0);
        const __m256i shift = _mm256_set1_epi16(-32768);
        const __m128i back = _mm_set1_epi32(32768 * 1000);
        const __m256d factor = _mm256_set1_pd(scale);
        std::size_t x = 0;
        for (; x + 6 <= columns; x += 4) {  // The second load reads two columns further than it uses.
            const std::uint16_t* p = sums + 3 * x;
            const __m256i two_and_two = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 6)), 1);
            const __m256i rgb0 = _mm256_shuffle_epi8(_mm256_xor_si256(two_and_two, shift), pick);
            const __m256i parts = _mm256_madd_epi16(rgb0, shares);
            const __m128i thousandths = _mm_add_epi32(
                _mm_hadd_epi32(_mm256_castsi256_si128(parts), _mm256_extracti128_si256(parts, 1)), back);
            const __m256d added = _mm256_mul_pd(_mm256_cvtepi32_pd(thousandths), factor);
            _mm256_storeu_pd(luma + x, _mm256_add_pd(_mm256_loadu_pd(luma + x), added));
        }
        add_luma_plainly(sums, scale, x, columns, luma);
    }

  private:
    static SEAWALL_AVX2_STEP __m256i load(const std::uint8_t* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static SEAWALL_AVX2_STEP void add_to(std::uint16_t* p, __m256i values) {
        auto* at = reinterpret_cast<__m256i*>(p);
        _mm256_storeu_si256(at, _mm256_add_epi16(_mm256_loadu_si256(at), values));
    }
};
#endif

// Adds to luma the tent's weighted sum of picture rows.
template <typename Loops>
SEAWALL_INLINE void add_tent(RgbPixels pixels, const Tent& tent, std::vector<std::uint16_t>& sums, double* luma) {
    const std::size_t bytes = 3 * pixels.columns;
    const double scale = tent.scale / 1000.0;
    unsigned weight_sum = 0;
    std::fill(sums.begin(), sums.end(), std::uint16_t{0});
    // Four weights up to 64 fit in 16 bits together; larger ones, of very tall pictures, only one by one.
    const std::size_t batch = *std::max_element(tent.weights.begin(), tent.weights.end()) <= kMaxSharedWeight ? 4 : 1;
    for (std::size_t k = 0; k < tent.weights.size(); k += batch) {
        FourRows four{};
        unsigned added = 0;
        for (std::size_t r = 0; r < 4; ++r) {
            const bool there = r < batch && k + r < tent.weights.size();
            four.weights[r] = there ? tent.weights[k + r] : std::uint16_t{0};
            four.rows[r] = pixels.data + (tent.first + k + (there ? r : 0)) * bytes;
            added += four.weights[r];
        }
        if (weight_sum + added > kMaxWeightSum) {
            Loops::add_luma(sums.data(), scale, pixels.columns, luma);
            std::fill(sums.begin(), sums.end(), std::uint16_t{0});
            weight_sum = 0;
        }
        Loops::add_rows(four, bytes, sums.data());
        weight_sum += added;
    }
    Loops::add_luma(sums.data(), scale, pixels.columns, luma);
}

template <typename Loops>
SEAWALL_INLINE void shrink(RgbPixels pixels, Small& small) {
    const ColumnWeights columns(pixels.columns);
    std::vector<std::uint16_t> sums(3 * pixels.columns);
    std::vector<double> luma(pixels.columns + columns.length);
    for (std::size_t i = 0; i < kSmallSide; ++i) {
        std::fill(luma.begin(), luma.end(), 0.0);
        for (const Tent& tent : tents_of(i, pixels.rows)) {
            add_tent<Loops>(pixels, tent, sums, luma.data());
        }
        sample_row(luma.data(), columns, small[i]);
    }
}

#ifdef SEAWALL_HAS_AVX2_BUILD
SEAWALL_AVX2 void shrink_avx2(RgbPixels pixels, Small& small) { shrink<Avx2Loops>(pixels, small); }
#endif

}  // namespace

void shrink_quickly(RgbPixels pixels, Small& small) {
#ifdef SEAWALL_HAS_AVX2_BUILD
    if (cpu_has_avx2()) {
        shrink_avx2(pixels, small);
        return;
    }
#endif
    shrink<PlainLoops>(pixels, small);
}

}  // namespace seawall
