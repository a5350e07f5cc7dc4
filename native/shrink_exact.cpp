// The samples of pdqhash with its rounding errors: float32 running sums, two passes of a box in each direction.
//
// The four passes run as one stream over strips of 16 rows, so that the picture is read once and nothing of its size is
// stored. Along a row the sum is sequential, hence 16 rows are summed side by side in a transposed strip. Of the last two
// passes only the 64 columns and rows that are sampled are kept.
#include <algorithm>
#include <vector>

#include "cpu.hpp"
#include "shrink.hpp"

namespace seawall {
namespace {

constexpr std::size_t kLanes = 16;

// Calls write(position) with the box sum over each position of `length`, in the order of pdqhash: add, then subtract.
template <typename Add, typename Subtract, typename Write>
SEAWALL_INLINE void run_box(std::size_t length, std::size_t window, Add add, Subtract subtract, Write write) {
    const std::size_t ahead = box_ahead(window);
    std::size_t inside = 0;
    for (std::size_t step = 0; step < length + ahead; ++step) {
        if (step < length) {
            add(step);
            ++inside;
        }
        if (step >= window) {
            subtract(step - window);
            --inside;
        }
        if (step >= ahead) {
            write(step - ahead, static_cast<float>(inside));
        }
    }
}

// A strip of up to 16 rows, transposed: the 16 values of one column lie side by side.
using Strip = std::vector<float>;

SEAWALL_INLINE void box_along_rows(const Strip& in, Strip& out, std::size_t columns) {
    float sum[kLanes] = {};
    const float* from = in.data();
    float* to = out.data();
    run_box(
        columns, box_window(columns),
        [&](std::size_t x) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                sum[lane] += from[x * kLanes + lane];
            }
        },
        [&](std::size_t x) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                sum[lane] -= from[x * kLanes + lane];
            }
        },
        [&](std::size_t x, float inside) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                to[x * kLanes + lane] = sum[lane] / inside;
            }
        });
}

SEAWALL_INLINE void fill_with_luma(RgbPixels pixels, std::size_t first_row, std::size_t rows, Strip& strip) {
    for (std::size_t lane = 0; lane < rows; ++lane) {
        const std::uint8_t* p = pixels.data + 3 * pixels.columns * (first_row + lane);
        for (std::size_t x = 0; x < pixels.columns; ++x, p += 3) {
            strip[x * kLanes + lane] = luma_of(p);
        }
    }
}

// The second pass, down the columns: takes rows one by one and keeps the running sum of each column.
class ColumnBox {
  public:
    ColumnBox(std::size_t columns, std::size_t rows)
        : columns_(columns), window_(box_window(rows)), sum_(columns), ring_(columns * window_) {}

    SEAWALL_INLINE void add(const Strip& strip, std::size_t lane, std::size_t row) {
        float* SEAWALL_RESTRICT sum = sum_.data();
        float* SEAWALL_RESTRICT kept = ring_.data() + row % window_ * columns_;
        // The row that leaves the window is the one whose place in the ring the new row takes.
        if (row < window_) {
            for (std::size_t x = 0; x < columns_; ++x) {
                const float value = strip[x * kLanes + lane];
                sum[x] += value;
                kept[x] = value;
            }
            return;
        }
        for (std::size_t x = 0; x < columns_; ++x) {
            const float value = strip[x * kLanes + lane];
            sum[x] = (sum[x] + value) - kept[x];
            kept[x] = value;
        }
    }

    // After the last row the window only shrinks.
    SEAWALL_INLINE void drop(std::size_t row) {
        const float* SEAWALL_RESTRICT kept = ring_.data() + row % window_ * columns_;
        for (std::size_t x = 0; x < columns_; ++x) {
            sum_[x] -= kept[x];
        }
    }

    SEAWALL_INLINE void write(Strip& strip, std::size_t lane, float inside) const {
        for (std::size_t x = 0; x < columns_; ++x) {
            strip[x * kLanes + lane] = sum_[x] / inside;
        }
    }

  private:
    std::size_t columns_;
    std::size_t window_;
    std::vector<float> sum_;
    std::vector<float> ring_;
};

// The third and fourth pass: takes the rows that the second pass has blurred, in strips.
class Sampler {
  public:
    explicit Sampler(RgbPixels pixels)
        : columns_(pixels.columns), rows_(pixels.rows), blurred_(columns_ * kLanes), sampled_(rows_ * kSmallSide) {}

    SEAWALL_INLINE void take(const Strip& strip, std::size_t first_row, std::size_t rows) {
        box_along_rows(strip, blurred_, columns_);
        for (std::size_t lane = 0; lane < rows; ++lane) {
            for (std::size_t j = 0; j < kSmallSide; ++j) {
                sampled_[(first_row + lane) * kSmallSide + j] = blurred_[cell_middle(j, columns_) * kLanes + lane];
            }
        }
    }

    SEAWALL_INLINE void finish(Small& small) const {
        std::array<float, kSmallSide> sum{};
        std::size_t cell = 0;
        const auto each = [&](auto apply) {
            for (std::size_t j = 0; j < kSmallSide; ++j) {
                apply(j);
            }
        };
        run_box(
            rows_, box_window(rows_),
            [&](std::size_t y) { each([&](std::size_t j) { sum[j] += sampled_[y * kSmallSide + j]; }); },
            [&](std::size_t y) { each([&](std::size_t j) { sum[j] -= sampled_[y * kSmallSide + j]; }); },
            [&](std::size_t y, float inside) {
                // A picture with fewer than 64 rows gives several samples from one row.
                for (; cell < kSmallSide && cell_middle(cell, rows_) == y; ++cell) {
                    each([&](std::size_t j) { small[cell][j] = sum[j] / inside; });
                }
            });
    }

  private:
    std::size_t columns_;
    std::size_t rows_;
    Strip blurred_;
    std::vector<float> sampled_;
};

SEAWALL_INLINE void shrink(RgbPixels pixels, Small& small) {
    const std::size_t rows = pixels.rows;
    const std::size_t window = box_window(rows);
    const std::size_t ahead = box_ahead(window);
    Strip luma(pixels.columns * kLanes);
    Strip once(pixels.columns * kLanes);
    Strip twice(pixels.columns * kLanes);
    ColumnBox column_box(pixels.columns, rows);
    Sampler sampler(pixels);
    std::size_t written = 0;
    for (std::size_t step = 0; step < rows + ahead; ++step) {
        if (step < rows && step % kLanes == 0) {
            fill_with_luma(pixels, step, std::min(kLanes, rows - step), luma);
            box_along_rows(luma, once, pixels.columns);
        }
        if (step < rows) {
            column_box.add(once, step % kLanes, step);
        } else if (step >= window) {
            column_box.drop(step - window);
        }
        if (step >= ahead) {
            const std::size_t inside = std::min(step + 1, rows) - (step >= window ? step + 1 - window : 0);
            column_box.write(twice, written % kLanes, static_cast<float>(inside));
            ++written;
            if (written % kLanes == 0 || written == rows) {
                const std::size_t first = (written - 1) / kLanes * kLanes;
                sampler.take(twice, first, written - first);
            }
        }
    }
    sampler.finish(small);
}

#ifdef SEAWALL_HAS_AVX2_BUILD
SEAWALL_AVX2 void shrink_avx2(RgbPixels pixels, Small& small) { shrink(pixels, small); }
#endif

}  // namespace

void shrink_exactly(RgbPixels pixels, Small& small) {
#ifdef SEAWALL_HAS_AVX2_BUILD
    if (cpu_has_avx2()) {
        shrink_avx2(pixels, small);
        return;
    }
#endif
    shrink(pixels, small);
}

}  // namespace seawall
