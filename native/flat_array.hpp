// A fixed-size array of plain values on huge pages where the system has them: a search reads hundreds of random places,
// and with pages of 4 KiB it would wait for as many address translations.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace seawall {

template <typename T>
class FlatArray {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    FlatArray() = default;

    // All bytes zero.
    explicit FlatArray(std::size_t size) : size_(size) {
        if (size == 0) {
            return;
        }
        if (size > static_cast<std::size_t>(-1) / sizeof(T) - kHugePage) {
            throw std::bad_alloc();
        }
        data_ = static_cast<T*>(::operator new(bytes(), alignment()));
#if defined(__linux__)
        if (bytes() >= kHugePage) {
            madvise(data_, bytes() / kHugePage * kHugePage, MADV_HUGEPAGE);  // Refusal costs speed only.
        }
#endif
        std::fill_n(data_, size, T{});
    }

    ~FlatArray() {
        if (data_ != nullptr) {
            ::operator delete(data_, alignment());
        }
    }

    FlatArray(const FlatArray&) = delete;
    FlatArray& operator=(const FlatArray&) = delete;

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    std::size_t bytes() const { return size_ * sizeof(T); }

  private:
    static constexpr std::size_t kHugePage = std::size_t{1} << 21;

    std::align_val_t alignment() const { return std::align_val_t{bytes() >= kHugePage ? kHugePage : std::size_t{64}}; }

    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace seawall
