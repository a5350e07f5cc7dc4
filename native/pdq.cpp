#include "pdq.hpp"

#include <algorithm>
#include <cmath>

#include "cpu.hpp"
#include "shrink.hpp"

namespace seawall {
namespace {

constexpr std::size_t kCoarseSide = 16;  // side of the block of frequencies that is kept
constexpr std::size_t kBits = kCoarseSide * kCoarseSide;
constexpr std::size_t kMedian = kBits / 2 - 1;  // the lower of the two middle values
constexpr std::size_t kMinSide = 5;             // below this pdqhash gives the zero hash of quality 0
constexpr int kStepsPerQuality = 90;
constexpr int kMaxQuality = 100;

using Frequencies = std::array<std::array<float, kCoarseSide>, kCoarseSide>;
using Cosines = std::array<std::array<float, kSmallSide>, kCoarseSide>;

// The rows 1..16 of the 64-point cosine transform; row 0, the mean brightness, is left out.
const Cosines& cosines() {
    static const Cosines table = [] {
        Cosines rows{};
        const auto scale = static_cast<float>(std::sqrt(2.0 / kSmallSide));
        for (std::size_t i = 0; i < kCoarseSide; ++i) {
            for (std::size_t j = 0; j < kSmallSide; ++j) {
                constexpr double kStep = 3.14159265358979323846 / 2.0 / kSmallSide;
                const double cosine = std::cos(kStep * static_cast<double>(i + 1) * static_cast<double>(2 * j + 1));
                rows[i][j] = static_cast<float>(static_cast<double>(scale) * cosine);
            }
        }
        return rows;
    }();
    return table;
}

// Both sums run over k in ascending order, one float32 addition at a time, as in pdqhash; vectors hold different sums.
SEAWALL_INLINE void transform_plainly(const Small& small, Frequencies& out) {
    const Cosines& rows = cosines();
    std::array<std::array<float, kCoarseSide>, kSmallSide> columns;  // the cosines, transposed
    for (std::size_t k = 0; k < kSmallSide; ++k) {
        for (std::size_t j = 0; j < kCoarseSide; ++j) {
            columns[k][j] = rows[j][k];
        }
    }
    for (std::size_t i = 0; i < kCoarseSide; ++i) {
        std::array<float, kSmallSide> half{};
        for (std::size_t k = 0; k < kSmallSide; ++k) {
            for (std::size_t j = 0; j < kSmallSide; ++j) {
                half[j] += rows[i][k] * small[k][j];
            }
        }
        std::array<float, kCoarseSide> sums{};
        for (std::size_t k = 0; k < kSmallSide; ++k) {
            for (std::size_t j = 0; j < kCoarseSide; ++j) {
                sums[j] += half[k] * columns[k][j];
            }
        }
        out[i] = sums;
    }
}

// How many hundredths of full brightness neighbours differ by, each difference rounded towards zero; and how many of the
// differences lie so near a whole number that an error of `doubt` could round them otherwise.
struct Steps {
    int sum = 0;
    int doubtful = 0;
};

SEAWALL_INLINE void add_steps(const float* SEAWALL_RESTRICT one, const float* SEAWALL_RESTRICT other,
                              std::size_t count, float doubt, Steps& steps) {
    int sum = 0;
    int doubtful = 0;
    for (std::size_t j = 0; j < count; ++j) {
        const float step = std::fabs((one[j] - other[j]) * 100.0F / 255.0F);
        const int whole = static_cast<int>(step);
        const float above = step - static_cast<float>(whole);
        sum += whole;
        doubtful += static_cast<int>(above > 1.0F - doubt);
        doubtful += static_cast<int>(above < doubt) & static_cast<int>(whole > 0);
    }
    steps.sum += sum;
    steps.doubtful += doubtful;
}

SEAWALL_INLINE Steps count_steps_plainly(const Small& small, float doubt) {
    Steps steps;
    for (std::size_t i = 0; i < kSmallSide; ++i) {
        add_steps(&small[i][0], &small[i][1], kSmallSide - 1, doubt, steps);
        if (i + 1 < kSmallSide) {
            add_steps(&small[i][0], &small[i + 1][0], kSmallSide, doubt, steps);
        }
    }
    return steps;
}

#ifdef SEAWALL_HAS_AVX2_BUILD
SEAWALL_AVX2 void transform_avx2(const Small& small, Frequencies& out) { transform_plainly(small, out); }
SEAWALL_AVX2 Steps count_steps_avx2(const Small& small, float doubt) { return count_steps_plainly(small, doubt); }
#endif

void transform(const Small& small, Frequencies& out) {
#ifdef SEAWALL_HAS_AVX2_BUILD
    if (cpu_has_avx2()) {
        transform_avx2(small, out);
        return;
    }
#endif
    transform_plainly(small, out);
}

Steps count_steps(const Small& small, float doubt) {
#ifdef SEAWALL_HAS_AVX2_BUILD
    if (cpu_has_avx2()) {
        return count_steps_avx2(small, doubt);
    }
#endif
    return count_steps_plainly(small, doubt);
}

int quality_of(int steps) { return std::min(std::max(steps, 0) / kStepsPerQuality, kMaxQuality); }

// The frequencies above the median are the bits. `gap` is how far the next one lies above the median: an error in the
// frequencies of less than half of it changes no bit.
struct Split {
    PdqBits bits{};
    float gap = 0;
};

Split split_at_median(const Frequencies& frequencies) {
    std::array<float, kBits> sorted;
    const float* flat = frequencies[0].data();
    std::copy_n(flat, kBits, sorted.begin());
    const auto middle = sorted.begin() + kMedian;
    std::nth_element(sorted.begin(), middle, sorted.end());
    Split split;
    split.gap = *std::min_element(middle + 1, sorted.end()) - *middle;
    for (std::size_t byte = 0; byte < split.bits.size(); ++byte) {
        unsigned bits = 0;
        for (std::size_t bit = 0; bit < 8; ++bit) {
            bits |= static_cast<unsigned>(flat[8 * byte + bit] > *middle) << bit;
        }
        split.bits[split.bits.size() - 1 - byte] = static_cast<std::uint8_t>(bits);  // big-endian
    }
    return split;
}

// A turned or mirrored picture has the same frequencies with some signs changed and, for half of them, transposed.
struct Form {
    bool transposed;
    bool flips_even_rows;
    bool flips_even_columns;
};

constexpr std::array<Form, kDihedralCount> kForms{{
    {false, false, false},
    {true, false, true},
    {false, true, true},
    {true, true, false},
    {false, true, false},
    {false, false, true},
    {true, false, false},
    {true, true, true},
}};

Frequencies turned(const Frequencies& in, Form form) {
    Frequencies out;
    for (std::size_t i = 0; i < kCoarseSide; ++i) {
        for (std::size_t j = 0; j < kCoarseSide; ++j) {
            const bool negative = (form.flips_even_rows && i % 2 == 0) != (form.flips_even_columns && j % 2 == 0);
            (form.transposed ? out[j][i] : out[i][j]) = negative ? -in[i][j] : in[i][j];
        }
    }
    return out;
}

// Hashes of the first `forms` forms. `certain` says whether samples that differ by rounding errors only, of the size that
// `doubt` allows for, would have given the same hashes and quality.
struct Answer {
    PdqDihedralHashes hashes;
    bool certain = true;
};

Answer answer_from(const Small& small, std::size_t forms, float doubt) {
    Answer answer;
    Frequencies frequencies;
    transform(small, frequencies);
    for (std::size_t form = 0; form < forms; ++form) {
        const Split split = split_at_median(form == 0 ? frequencies : turned(frequencies, kForms[form]));
        answer.hashes.bits[form] = split.bits;
        answer.certain = answer.certain && split.gap > doubt;
    }
    const Steps steps = count_steps(small, doubt * 100.0F / 255.0F);
    answer.hashes.quality = quality_of(steps.sum);
    answer.certain = answer.certain && quality_of(steps.sum - steps.doubtful) == quality_of(steps.sum + steps.doubtful);
    return answer;
}

// The rounding errors of running sums wander like a random walk: they grow with the square root of the longer side. Over
// 5 200 pictures (photographs, noise, gradients, boxes, edges, waves) no bit changed at a gap above 1.1 of this unit and no
// sample was off by more than 5.2; the factor 8 is the margin. About 2 photographs in 100 are shrunk exactly because of it.
float doubt_about(RgbPixels pixels) {
    constexpr float kUnit = 255.0F / 8388608.0F;  // one unit in the last place of a float32 near 255, times two
    return 8.0F * kUnit * std::sqrt(static_cast<float>(std::max(pixels.rows, pixels.columns)));
}

// Up to this side no box blurs, and the exact way is as quick as the quick one.
constexpr std::size_t kMaxUnblurredSide = 2 * kSmallSide;

bool may_be_quick(RgbPixels pixels) {
    return std::min(pixels.rows, pixels.columns) > kMaxUnblurredSide && pixels.rows <= kMaxQuickRows;
}

// pdqhash takes 64 x 64 pictures as already shrunk.
void copy_luma(RgbPixels pixels, Small& small) {
    for (std::size_t k = 0; k < kSmallSide * kSmallSide; ++k) {
        small[k / kSmallSide][k % kSmallSide] = luma_of(pixels.data + 3 * k);
    }
}

PdqDihedralHashes hash_forms(RgbPixels pixels, std::size_t forms) {
    if (pixels.rows < kMinSide || pixels.columns < kMinSide) {
        return {};
    }
    Small small;
    if (may_be_quick(pixels)) {
        shrink_quickly(pixels, small);
        const Answer answer = answer_from(small, forms, doubt_about(pixels));
        if (answer.certain) {
            return answer.hashes;
        }
    }
    shrink_exactly(pixels, small);
    return answer_from(small, forms, 0).hashes;
}

}  // namespace

PdqHash pdq_hash(RgbPixels pixels) {
    PdqDihedralHashes hashes;
    if (pixels.rows == kSmallSide && pixels.columns == kSmallSide) {
        Small small;
        copy_luma(pixels, small);
        hashes = answer_from(small, 1, 0).hashes;
    } else {
        hashes = hash_forms(pixels, 1);
    }
    return {hashes.bits[0], hashes.quality};
}

// Other than pdq_hash, pdqhash blurs 64 x 64 pictures here like any other, so that the first form can differ by a bit.
PdqDihedralHashes pdq_hash_dihedral(RgbPixels pixels) { return hash_forms(pixels, kDihedralCount); }

}  // namespace seawall
