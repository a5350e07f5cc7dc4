#include "hamming_search.hpp"

#include <algorithm>
#include <array>

#include "cpu.hpp"

#ifdef SEAWALL_HAS_AVX2_BUILD
#include <immintrin.h>
#endif

namespace seawall {
namespace {

// ---- Which buckets to probe -----------------------------------------------------------------------------------------

// Probing goes up to this many differing bits in one band; beyond, the buckets near the query are too many.
constexpr int kMaxFlips = 2;
constexpr std::size_t kMaxProbes = 1 + 16 + 120;

// How many buckets differ from a band in at most -1, 0, 1, 2 bits.
constexpr std::array<std::size_t, kMaxFlips + 2> kProbesWithin{0, 1, 17, kMaxProbes};

// The bits that each probe flips: none, then single ones, then pairs.
constexpr std::array<std::uint16_t, kMaxProbes> kFlips = [] {
    std::array<std::uint16_t, kMaxProbes> flips{};
    std::size_t next = 1;
    for (unsigned bit = 0; bit < 16; ++bit) {
        flips[next++] = static_cast<std::uint16_t>(1U << bit);
    }
    for (unsigned bit = 0; bit < 16; ++bit) {
        for (unsigned other = 0; other < bit; ++other) {
            flips[next++] = static_cast<std::uint16_t>(1U << bit | 1U << other);
        }
    }
    return flips;
}();

constexpr int flips_of(std::size_t probe) { return probe == 0 ? 0 : probe <= 16 ? 1 : 2; }

// The general pigeonhole principle: if band b may differ in allowed[b] bits and these add up to radius - 15, then within
// the radius some band keeps to its allowance (one of -1 is never kept). The ring of bands says more: some band keeps to it
// and, together with the next band, to the sum of both allowances plus 1. (Subtract allowance + 1 from each band's
// difference: the total is negative, so going round the ring from a suitable start every partial sum is.)
struct Plan {
    std::array<int, kBands> allowed{};
    std::array<int, kBands> allowed_with_next{};
    std::vector<std::size_t> bands;  // those to probe
    std::size_t probes = 0;
    bool possible = true;
};

Plan plan_for(int radius) {
    Plan plan;
    const int bands = static_cast<int>(kBands);
    const int total = radius - bands + 1;
    const int each = (total + bands) / bands - 1;  // rounded down; total is at least -15
    const int more = total - each * bands;
    for (std::size_t band = 0; band < kBands; ++band) {
        plan.allowed[band] = each + (static_cast<int>(band) < more ? 1 : 0);
    }
    for (std::size_t band = 0; band < kBands; ++band) {
        plan.allowed_with_next[band] = plan.allowed[band] + plan.allowed[(band + 1) % kBands] + 1;
        plan.possible = plan.possible && plan.allowed[band] <= kMaxFlips;
        if (plan.possible && plan.allowed[band] >= 0) {
            plan.bands.push_back(band);
            plan.probes += kProbesWithin[static_cast<std::size_t>(plan.allowed[band] + 1)];
        }
    }
    return plan;
}

// A probe waits for memory; meanwhile a scan compares about this many hashes. Measured: 12 at radius 31, 18 at 47.
constexpr std::size_t kHashesPerProbe = 16;

bool probing_pays(const Plan& plan, const HammingTables& tables) {
    return plan.possible && tables.positions != nullptr && plan.probes * kHashesPerProbe < tables.count;
}

// ---- Comparing hashes -----------------------------------------------------------------------------------------------

SEAWALL_INLINE int distance_between(const HashWords& a, const HashWords& b) {
    return __builtin_popcountll(a[0] ^ b[0]) + __builtin_popcountll(a[1] ^ b[1]) +
           __builtin_popcountll(a[2] ^ b[2]) + __builtin_popcountll(a[3] ^ b[3]);
}

SEAWALL_INLINE void scan_all(const HammingTables& tables, const HashWords& query, int radius, std::vector<Hit>& hits) {
    for (std::size_t i = 0; i < tables.count; ++i) {
        const HashWords& hash = tables.hashes[i];
        // Half a hash is enough to drop almost every one.
        if (__builtin_popcountll(hash[0] ^ query[0]) + __builtin_popcountll(hash[1] ^ query[1]) <= radius) {
            const int distance = distance_between(hash, query);
            if (distance <= radius) {
                hits.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint16_t>(distance)});
            }
        }
    }
}

// ---- Dropping the entries of a bucket by their next band -------------------------------------------------------------

struct Candidate {
    std::uint32_t band;
    std::uint32_t entry;
};

// Keeps the entries from..to of a band whose next band differs from `next` in at most `limit` bits.
struct PlainFilter {
    static SEAWALL_INLINE void keep(const std::uint16_t* nexts, std::uint32_t from, std::uint32_t to, std::uint32_t next,
                                    int limit, std::uint32_t band, std::vector<Candidate>& kept) {
        for (std::uint32_t entry = from; entry < to; ++entry) {
            if (__builtin_popcount(nexts[entry] ^ next) <= limit) {
                kept.push_back({band, entry});
            }
        }
    }
};

#ifdef SEAWALL_HAS_AVX2_BUILD
struct Avx2Filter {
    static __attribute__((target("avx2,popcnt"))) inline void keep(const std::uint16_t* nexts, std::uint32_t from,
                                                                   std::uint32_t to, std::uint32_t next, int limit,
                                                                   std::uint32_t band, std::vector<Candidate>& kept) {
        const __m256i wanted = _mm256_set1_epi16(static_cast<short>(next));
        const __m256i beyond = _mm256_set1_epi16(static_cast<short>(limit + 1));
        const __m256i nibble = _mm256_set1_epi8(0x0F);
        const __m256i ones = _mm256_set1_epi8(1);
        const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        for (std::uint32_t entry = from; entry < to; entry += 16) {
            const __m256i bits =
                _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(nexts + entry)), wanted);
            const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(bits, nibble));
            const __m256i high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
            const __m256i distance = _mm256_maddubs_epi16(_mm256_add_epi8(low, high), ones);
            auto within = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpgt_epi16(beyond, distance)));
            within &= 0x55555555U;  // two bits for each entry; one is enough
            while (within != 0) {
                const std::uint32_t found = entry + static_cast<std::uint32_t>(__builtin_ctz(within)) / 2;
                if (found >= to) {
                    break;
                }
                kept.push_back({band, found});
                within &= within - 1;
            }
        }
    }
};
#endif

// ---- Probing ---------------------------------------------------------------------------------------------------------

// Work is cut into steps: one band of one query. Each step is begun some steps before it is finished, so that memory is
// on its way meanwhile: first the bounds of its buckets, then their entries. Measured; the exact numbers matter little.
constexpr std::size_t kBoundsAhead = 16;
constexpr std::size_t kEntriesAhead = 4;
constexpr std::size_t kStepsInFlight = 8;  // a power of two above kEntriesAhead

// When so large a share of the index survives the filter (near-copies of one picture), comparing with all is quicker.
constexpr std::size_t kCandidateShare = 16;
constexpr std::size_t kCandidatesAnyway = 4096;

struct Bounds {
    std::uint32_t from;
    std::uint32_t to;
};

template <typename Filter>
class Prober {
  public:
    Prober(const HammingTables& tables, const Plan& plan, const std::vector<HashWords>& queries, int radius,
           std::vector<Hit>& hits)
        : tables_(tables),
          plan_(plan),
          queries_(queries),
          radius_(radius),
          hits_(hits),
          budget_(std::max(kCandidatesAnyway, tables.count / kCandidateShare)) {}

    SEAWALL_INLINE void run(std::vector<std::int64_t>& ends) {
        const std::size_t per_query = plan_.bands.size();
        const std::size_t steps = queries_.size() * per_query;
        for (std::size_t step = 0; step < steps + kBoundsAhead + kEntriesAhead; ++step) {
            if (step < steps) {
                fetch_bounds(queries_[step / per_query], plan_.bands[step % per_query]);
            }
            if (step >= kBoundsAhead && step - kBoundsAhead < steps) {
                const std::size_t due = step - kBoundsAhead;
                fetch_entries(queries_[due / per_query], plan_.bands[due % per_query], in_flight_[due % kStepsInFlight]);
            }
            if (step >= kBoundsAhead + kEntriesAhead) {
                const std::size_t due = step - kBoundsAhead - kEntriesAhead;
                const HashWords& query = queries_[due / per_query];
                filter(query, plan_.bands[due % per_query], in_flight_[due % kStepsInFlight]);
                if (due % per_query == per_query - 1) {
                    finish(query);
                    ends.push_back(static_cast<std::int64_t>(hits_.size()));
                }
            }
        }
    }

  private:
    using Buckets = std::array<Bounds, kMaxProbes>;

    std::size_t probes_of(std::size_t band) const {
        return kProbesWithin[static_cast<std::size_t>(plan_.allowed[band] + 1)];
    }

    SEAWALL_INLINE void fetch_bounds(const HashWords& query, std::size_t band) const {
        const std::uint32_t* starts = tables_.starts + band * (kBuckets + 1);
        const std::uint32_t own = band_of(query, band);
        for (std::size_t probe = 0; probe < probes_of(band); ++probe) {
            __builtin_prefetch(starts + (own ^ kFlips[probe]));
        }
    }

    SEAWALL_INLINE void fetch_entries(const HashWords& query, std::size_t band, Buckets& buckets) const {
        const std::uint32_t* starts = tables_.starts + band * (kBuckets + 1);
        const std::uint16_t* nexts = tables_.nexts + band * tables_.count;
        const std::uint32_t own = band_of(query, band);
        for (std::size_t probe = 0; probe < probes_of(band); ++probe) {
            const std::uint32_t bucket = own ^ kFlips[probe];
            buckets[probe] = {starts[bucket], starts[bucket + 1]};
            __builtin_prefetch(nexts + buckets[probe].from);
            __builtin_prefetch(nexts + buckets[probe].to);
        }
    }

    SEAWALL_INLINE void filter(const HashWords& query, std::size_t band, const Buckets& buckets) {
        if (candidates_.size() > budget_) {
            return;
        }
        const std::uint16_t* nexts = tables_.nexts + band * tables_.count;
        const std::uint32_t* positions = tables_.positions + band * tables_.count;
        const std::uint32_t next = band_of(query, (band + 1) % kBands);
        const std::size_t before = candidates_.size();
        for (std::size_t probe = 0; probe < probes_of(band); ++probe) {
            const int limit = plan_.allowed_with_next[band] - flips_of(probe);
            Filter::keep(nexts, buckets[probe].from, buckets[probe].to, next, limit, static_cast<std::uint32_t>(band),
                         candidates_);
        }
        for (std::size_t i = before; i < candidates_.size(); ++i) {
            __builtin_prefetch(positions + candidates_[i].entry);
        }
    }

    // The same hash can pass in several bands; it is reported by the first of them, so that no set is needed.
    SEAWALL_INLINE bool passes_before(const HashWords& query, const HashWords& hash, std::size_t band) const {
        for (std::size_t b = 0; b < band; ++b) {
            const int own = __builtin_popcount(band_of(query, b) ^ band_of(hash, b));
            const std::size_t n = (b + 1) % kBands;
            const int next = __builtin_popcount(band_of(query, n) ^ band_of(hash, n));
            if (own <= plan_.allowed[b] && own + next <= plan_.allowed_with_next[b]) {
                return true;
            }
        }
        return false;
    }

    SEAWALL_INLINE void finish(const HashWords& query) {
        const std::size_t first = hits_.size();
        if (candidates_.size() > budget_) {
            scan_all(tables_, query, radius_, hits_);
        } else {
            verify(query);
        }
        candidates_.clear();
        std::sort(hits_.begin() + static_cast<std::ptrdiff_t>(first), hits_.end(), comes_before);
    }

    SEAWALL_INLINE void verify(const HashWords& query) {
        for (Candidate& candidate : candidates_) {
            candidate.entry = tables_.positions[candidate.band * tables_.count + candidate.entry];
            __builtin_prefetch(tables_.hashes + candidate.entry);
        }
        for (const Candidate& candidate : candidates_) {
            const HashWords& hash = tables_.hashes[candidate.entry];
            const int distance = distance_between(hash, query);
            if (distance <= radius_ && !passes_before(query, hash, candidate.band)) {
                hits_.push_back({candidate.entry, static_cast<std::uint16_t>(distance)});
            }
        }
    }

  public:
    static bool comes_before(Hit a, Hit b) {
        return a.distance != b.distance ? a.distance < b.distance : a.position < b.position;
    }

  private:
    const HammingTables& tables_;
    const Plan& plan_;
    const std::vector<HashWords>& queries_;
    int radius_;
    std::vector<Hit>& hits_;
    std::size_t budget_;
    std::vector<Candidate> candidates_;
    std::array<Buckets, kStepsInFlight> in_flight_;
};

template <typename Filter>
SEAWALL_INLINE void search(const HammingTables& tables, const std::vector<HashWords>& queries, int radius,
                           std::vector<Hit>& hits, std::vector<std::int64_t>& ends) {
    const Plan plan = plan_for(radius);
    if (probing_pays(plan, tables)) {
        Prober<Filter>(tables, plan, queries, radius, hits).run(ends);
        return;
    }
    for (const HashWords& query : queries) {
        const auto first = static_cast<std::ptrdiff_t>(hits.size());
        scan_all(tables, query, radius, hits);
        std::sort(hits.begin() + first, hits.end(), Prober<Filter>::comes_before);
        ends.push_back(static_cast<std::int64_t>(hits.size()));
    }
}

#ifdef SEAWALL_HAS_AVX2_BUILD
SEAWALL_AVX2 void search_avx2(const HammingTables& tables, const std::vector<HashWords>& queries, int radius,
                              std::vector<Hit>& hits, std::vector<std::int64_t>& ends) {
    search<Avx2Filter>(tables, queries, radius, hits, ends);
}
#endif

}  // namespace

void search_tables(const HammingTables& tables, const std::vector<HashWords>& queries, int radius,
                   std::vector<Hit>& hits, std::vector<std::int64_t>& ends) {
#ifdef SEAWALL_HAS_AVX2_BUILD
    if (cpu_has_avx2()) {
        search_avx2(tables, queries, radius, hits, ends);
        return;
    }
#endif
    search<PlainFilter>(tables, queries, radius, hits, ends);
}

}  // namespace seawall
