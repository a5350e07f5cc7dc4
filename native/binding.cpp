// The only file of the kernel that knows Python: checks every argument, releases the GIL, copies results into numpy.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "hamming.hpp"
#include "pdq.hpp"

namespace nb = nanobind;

namespace {

using AnyArray = nb::ndarray<nb::ro, nb::device::cpu>;

// pdqhash itself counts pixels in a signed 32-bit number, so beyond this there is nothing to agree with.
constexpr std::size_t kMaxPixels = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMaxHashes = std::numeric_limits<std::uint32_t>::max();
constexpr int kMaxThreads = 256;

bool is_contiguous(const AnyArray& array) {
    if (array.size() == 0) {
        return true;  // Strides of an empty array say nothing.
    }
    std::int64_t expected = 1;
    for (std::size_t axis = array.ndim(); axis-- > 0;) {
        if (array.shape(axis) != 1 && array.stride(axis) != expected) {
            return false;
        }
        expected *= static_cast<std::int64_t>(array.shape(axis));
    }
    return true;
}

void require_bytes(const AnyArray& array, const char* what) {
    if (array.dtype() != nb::dtype<std::uint8_t>()) {
        throw nb::type_error((std::string(what) + " must have dtype uint8; convert with .astype(numpy.uint8).").c_str());
    }
}

seawall::RgbPixels pixels_of(const AnyArray& rgb) {
    require_bytes(rgb, "The pixels");
    if (rgb.ndim() != 3 || rgb.shape(2) != 3) {
        throw nb::value_error("The pixels must have the shape (height, width, 3): convert the picture to RGB first.");
    }
    const std::size_t rows = rgb.shape(0);
    const std::size_t columns = rgb.shape(1);
    if (rows == 0 || columns == 0) {
        throw nb::value_error("The picture is empty: height and width must be at least 1.");
    }
    if (columns > kMaxPixels / rows) {
        throw nb::value_error("The picture is too large: at most 2147483647 pixels can be hashed.");
    }
    if (!is_contiguous(rgb)) {
        throw nb::value_error("The pixels must be C-contiguous: pass them through numpy.ascontiguousarray.");
    }
    return {static_cast<const std::uint8_t*>(rgb.data()), rows, columns};
}

nb::bytes bytes_of(const seawall::PdqBits& bits) { return nb::bytes(bits.data(), bits.size()); }

nb::tuple pdq_hash(const AnyArray& rgb) {
    const seawall::RgbPixels pixels = pixels_of(rgb);
    seawall::PdqHash hash;
    {
        const nb::gil_scoped_release release;
        hash = seawall::pdq_hash(pixels);
    }
    return nb::make_tuple(bytes_of(hash.bits), hash.quality);
}

nb::tuple pdq_hash_dihedral(const AnyArray& rgb) {
    const seawall::RgbPixels pixels = pixels_of(rgb);
    seawall::PdqDihedralHashes hashes;
    {
        const nb::gil_scoped_release release;
        hashes = seawall::pdq_hash_dihedral(pixels);
    }
    nb::list values;
    for (const seawall::PdqBits& bits : hashes.bits) {
        values.append(bytes_of(bits));
    }
    return nb::make_tuple(values, hashes.quality);
}

// Runs work(i) for every i < count on up to `threads` threads; the caller's own thread is one of them.
template <typename Work>
void share_out(std::size_t count, int threads, const Work& work) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::atomic_flag failed = ATOMIC_FLAG_INIT;
    const auto run = [&] {
        try {
            for (std::size_t i = next++; i < count; i = next++) {
                work(i);
            }
        } catch (...) {
            if (!failed.test_and_set()) {
                failure = std::current_exception();
            }
        }
    };
    std::vector<std::thread> others;
    const std::size_t wanted = std::min<std::size_t>(static_cast<std::size_t>(threads), count);
    try {
        for (std::size_t i = 1; i < wanted; ++i) {
            others.emplace_back(run);
        }
    } catch (const std::system_error&) {
        // The machine grants no more threads; those that have started do the work.
    }
    run();
    for (std::thread& other : others) {
        other.join();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

nb::list pdq_hash_many(const nb::list& pictures, int threads) {
    if (threads < 1 || threads > kMaxThreads) {
        throw nb::value_error("threads must be between 1 and 256.");
    }
    std::vector<AnyArray> arrays;
    std::vector<seawall::RgbPixels> pixels;
    for (const nb::handle picture : pictures) {
        AnyArray array;
        if (!nb::try_cast<AnyArray>(picture, array)) {
            throw nb::type_error("Every picture must be a numpy array of pixels.");
        }
        pixels.push_back(pixels_of(array));
        arrays.push_back(std::move(array));
    }
    std::vector<seawall::PdqHash> hashes(pixels.size());
    {
        const nb::gil_scoped_release release;
        share_out(pixels.size(), threads, [&](std::size_t i) { hashes[i] = seawall::pdq_hash(pixels[i]); });
    }
    nb::list results;
    for (const seawall::PdqHash& hash : hashes) {
        results.append(nb::make_tuple(bytes_of(hash.bits), hash.quality));
    }
    return results;
}

template <typename T>
nb::object numpy_array(std::vector<T>&& values) {
    auto owned = std::make_unique<std::vector<T>>(std::move(values));
    T* data = owned->data();
    const std::size_t size = owned->size();
    nb::capsule owner(owned.get(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    owned.release();
    static T nothing{};
    return nb::ndarray<nb::numpy, T, nb::ndim<1>>(size != 0 ? data : &nothing, {size}, owner).cast();
}

std::size_t hash_count_of(const AnyArray& hashes, const char* what) {
    require_bytes(hashes, what);
    if (hashes.ndim() != 2 || hashes.shape(1) != seawall::kHashBytes) {
        throw nb::value_error((std::string(what) + " must have the shape (count, 32): 32 bytes for each hash.").c_str());
    }
    if (hashes.shape(0) > kMaxHashes) {
        throw nb::value_error((std::string(what) + " are too many: at most 4294967295 fit.").c_str());
    }
    if (!is_contiguous(hashes)) {
        throw nb::value_error((std::string(what) + " must be C-contiguous: use numpy.ascontiguousarray.").c_str());
    }
    return hashes.shape(0);
}

void require_radius(int radius) {
    if (radius < 0 || radius > seawall::kMaxRadius) {
        throw nb::value_error("The radius must be between 0 and 64 bits.");
    }
}

// Most look-ups find nothing. Making two arrays costs a tenth of such a look-up, so that they share an empty pair, which is
// never freed.
nb::tuple no_columns() {
    static PyObject* const pair =
        nb::make_tuple(numpy_array(std::vector<std::uint32_t>()), numpy_array(std::vector<std::uint16_t>())).release().ptr();
    return nb::borrow<nb::tuple>(pair);
}

nb::tuple columns_of(const std::vector<seawall::Hit>& hits) {
    if (hits.empty()) {
        return no_columns();
    }
    std::vector<std::uint32_t> positions(hits.size());
    std::vector<std::uint16_t> distances(hits.size());
    for (std::size_t i = 0; i < hits.size(); ++i) {
        positions[i] = hits[i].position;
        distances[i] = hits[i].distance;
    }
    return nb::make_tuple(numpy_array(std::move(positions)), numpy_array(std::move(distances)));
}

std::unique_ptr<seawall::HammingIndex> build_index(const AnyArray& hashes) {
    const std::size_t count = hash_count_of(hashes, "The hashes");
    const auto* data = static_cast<const std::uint8_t*>(hashes.data());
    const nb::gil_scoped_release release;
    return std::make_unique<seawall::HammingIndex>(data, count);
}

nb::tuple search(const seawall::HammingIndex& index, const nb::bytes& query, int radius) {
    if (query.size() != seawall::kHashBytes) {
        throw nb::value_error("The query must be exactly 32 bytes.");
    }
    require_radius(radius);
    std::vector<seawall::Hit> hits;
    std::vector<std::int64_t> ends;
    const auto* data = static_cast<const std::uint8_t*>(query.data());
    {
        const nb::gil_scoped_release release;
        index.search(data, 1, radius, hits, ends);
    }
    return columns_of(hits);
}

nb::tuple search_many(const seawall::HammingIndex& index, const AnyArray& queries, int radius) {
    const std::size_t count = hash_count_of(queries, "The queries");
    require_radius(radius);
    const auto* data = static_cast<const std::uint8_t*>(queries.data());
    std::vector<std::int64_t> offsets{0};
    std::vector<seawall::Hit> hits;
    {
        const nb::gil_scoped_release release;
        offsets.reserve(count + 1);
        index.search(data, count, radius, hits, offsets);
    }
    const nb::tuple columns = columns_of(hits);
    return nb::make_tuple(numpy_array(std::move(offsets)), columns[0], columns[1]);
}

}  // namespace

NB_MODULE(seawall_native, m) {
    m.doc() = "Seawall's native kernel: the PDQ image hash, and exact search within a Hamming radius.";
    m.def("pdq_hash", &pdq_hash, nb::arg("rgb"),
          "Hash C-contiguous uint8 pixels of shape (height, width, 3): 32 bytes, and the quality from 0 to 100.");
    m.def("pdq_hash_dihedral", &pdq_hash_dihedral, nb::arg("rgb"),
          "Hash the eight turned and mirrored forms of a picture and give the quality they share. In this order: as it is, "
          "turned by 90, 180 and 270 degrees, mirrored along x, along y, and along the two diagonals.");
    m.def("pdq_hash_many", &pdq_hash_many, nb::arg("pictures"), nb::arg("threads") = 1,
          "Hash many pictures on up to `threads` threads (1 to 256); results in the order of the pictures.");
    nb::class_<seawall::HammingIndex>(m, "HammingIndex", nb::is_final(),
                                      "Exact search within a Hamming radius among 256-bit hashes. Never changes; many "
                                      "threads may search at once.")
        // Made by __new__, so that a second call of __init__ cannot replace an index that others are searching.
        .def(nb::new_(&build_index), nb::arg("hashes"), "Copy the hashes, a C-contiguous uint8 array of shape (count, 32).")
        .def("__len__", &seawall::HammingIndex::size)
        .def_prop_ro("memory_bytes", &seawall::HammingIndex::memory_bytes,
                     "Bytes held by the index, its copy of the hashes included.")
        .def("search", &search, nb::arg("query"), nb::arg("radius"),
             "Positions (uint32) and distances (uint16) of every hash within `radius` bits (0 to 64) of the 32 bytes of "
             "`query`, sorted by distance, then position.")
        .def("search_many", &search_many, nb::arg("queries"), nb::arg("radius"),
             "Search for each row of `queries` (uint8, shape (count, 32)). Gives offsets (int64), positions and distances: "
             "the hits of row i are at offsets[i]:offsets[i + 1].");
}
