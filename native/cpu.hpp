// Which instructions may be used. Each fast loop exists twice from one source: plain C++, and the same compiled for AVX2
// by a per-function target, so that one binary runs everywhere and needs no -march flag.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(SEAWALL_PLAIN)
#define SEAWALL_HAS_AVX2_BUILD 1
// flatten: what the function calls is compiled into it, hence for AVX2 too.
#define SEAWALL_AVX2 __attribute__((target("avx2,popcnt"), flatten))
#endif

#if defined(__GNUC__)
#define SEAWALL_INLINE inline __attribute__((always_inline))
#define SEAWALL_RESTRICT __restrict__
#else
#define SEAWALL_INLINE inline
#define SEAWALL_RESTRICT
#endif

namespace seawall {

inline bool cpu_has_avx2() {
#ifdef SEAWALL_HAS_AVX2_BUILD
    static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
    return has;
#else
    return false;
#endif
}

}  // namespace seawall
