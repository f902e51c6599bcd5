#include "device/blas.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "device/blas_factor.h"
#include "device/machine.h"
#include "device/parallel.h"

namespace ingot {
namespace {

constexpr const char* kFile = "libopenblas.so.0";
constexpr std::int64_t kLeastSide = 8;   // of a product that gains
constexpr double kPieceFlops = 1 << 21;  // of a thread's share, at least
constexpr std::int64_t kPieceUnit = 16;  // rows or columns: whole tiles of the library's kernels

using Sgemm = void(int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a,
                   int lda, const float* b, int ldb, float beta, float* c, int ldc);

struct OpenBlas {
  Sgemm* sgemm = nullptr;
  std::string name;
  std::string why_not;  // if sgemm is null
};

template <class Function>
Function* symbol(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

/// Loaded for itself alone (RTLD_LOCAL), so that LibTorch's products stay with its own library. It multiplies on the
/// threads that run everything else, each calling it for a piece, so it must be the form on POSIX threads with its own
/// ones turned off: the serial form (0) hands two callers the same buffer, that on OpenMP (2) sets the number of
/// everybody's threads.
OpenBlas load_openblas() {
  OpenBlas out;
  void* const library = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    out.why_not = cat(kFile, " cannot be loaded (", dlerror(), "); Debian's package is libopenblas0-pthread");
    return out;
  }
  auto* const sgemm = symbol<Sgemm>(library, "cblas_sgemm");
  auto* const parallel = symbol<int()>(library, "openblas_get_parallel");
  auto* const config = symbol<char*()>(library, "openblas_get_config");
  auto* const core = symbol<char*()>(library, "openblas_get_corename");
  auto* const set_threads = symbol<void(int)>(library, "openblas_set_num_threads");
  if (!sgemm || !parallel || !config || !core || !set_threads) {
    out.why_not = cat(kFile, " is not an OpenBLAS");
    return out;
  }
  if (parallel() != 1) {
    out.why_not = cat(kFile, " is the ", parallel() == 0 ? "serial" : "OpenMP",
                      " form of OpenBLAS; expected that on POSIX threads, Debian's libopenblas0-pthread");
    return out;
  }
  set_threads(1);
  std::istringstream words(config());  // "OpenBLAS 0.3.21 NO_LAPACKE ..."
  std::string product, version;
  words >> product >> version;
  out.name = cat("OpenBLAS ", version, " (", core(), ")");
  out.sgemm = sgemm;
  return out;
}

const OpenBlas& openblas() {
  static const OpenBlas library = load_openblas();
  return library;
}

/// Whether OpenBLAS was measured to be faster than oneMKL on processors like this one.
bool suits_openblas() {
  static const bool suits = [] {
    const auto vendor = cpu_vendor();
    return (vendor == "AuthenticAMD" || vendor == "HygonGenuine") && has_cpu_feature("avx2") &&
           !has_cpu_feature("avx512f");
  }();
  return suits;
}

std::atomic<Sgemm*> in_use = nullptr;

/// How a result of m x n is shared out: rectangles of `rows` x `columns`, at most one for each thread. The nearer to
/// squares, the less each thread reads and packs.
struct Grid {
  std::int64_t rows, columns;

  Grid(std::int64_t m, std::int64_t n, std::int64_t k) : rows(m), columns(n) {
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    const auto pieces =
        std::min<std::int64_t>(at::get_num_threads(), static_cast<std::int64_t>(flops / kPieceFlops) + 1);
    std::int64_t least = INT64_MAX;
    for (std::int64_t across = 1; across <= pieces; ++across) {
      if (pieces % across != 0) continue;
      const auto tall = piece_of(m, pieces / across), wide = piece_of(n, across);
      if (tall + wide >= least) continue;
      least = tall + wide;
      rows = tall;
      columns = wide;
    }
  }

  static std::int64_t piece_of(std::int64_t length, std::int64_t pieces) {
    const auto piece = (length + pieces - 1) / pieces;
    return (piece + kPieceUnit - 1) / kPieceUnit * kPieceUnit;
  }
};

}  // namespace

Blas use_blas(Blas wanted) {
  if (wanted == Blas::kAuto) wanted = suits_openblas() && has_openblas() ? Blas::kOpenBlas : Blas::kLibTorch;
  if (wanted == Blas::kOpenBlas && !has_openblas())
    throw ConfigError(cat("train.blas: openblas: ", openblas().why_not));
  in_use = wanted == Blas::kOpenBlas ? openblas().sgemm : nullptr;
  return wanted;
}

std::string blas_name() { return in_use.load() != nullptr ? openblas().name : "LibTorch"; }

bool has_openblas() { return openblas().sgemm != nullptr; }

bool uses_openblas() { return in_use.load() != nullptr; }

std::string openblas_missing() { return suits_openblas() ? openblas().why_not : ""; }

bool openblas_matmul(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b, float beta, float alpha) {
  Sgemm* const sgemm = in_use;
  if (sgemm == nullptr || !c.is_cpu()) return false;
  for (const auto& x : {c, a, b}) {
    if (x.scalar_type() != at::kFloat) return false;
  }
  const auto m = c.size(0), n = c.size(1), k = a.size(1);
  if (std::min({m, n, k}) < kLeastSide) return false;
  const BlasFactor left(a), right(b);
  const auto lda = left.stride, ldb = right.stride, ldc = c.stride(0);
  if (std::max({m, n, k, lda, ldb, ldc}) > INT32_MAX) return false;

  const float* const from_a = left.held.const_data_ptr<float>();
  const float* const from_b = right.held.const_data_ptr<float>();
  float* const into = c.data_ptr<float>();
  const auto rows_of = [&](const BlasFactor& x) { return x.transpose == BlasFactor::kPlain ? x.stride : 1; };
  const auto columns_of = [&](const BlasFactor& x) { return x.transpose == BlasFactor::kPlain ? 1 : x.stride; };
  const auto multiply = [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
    sgemm(BlasFactor::kRowMajor, left.transpose, right.transpose, static_cast<int>(rows), static_cast<int>(columns),
          static_cast<int>(k), alpha, from_a + row * rows_of(left), static_cast<int>(lda),
          from_b + column * columns_of(right), static_cast<int>(ldb), beta, into + row * ldc + column,
          static_cast<int>(ldc));
  };
  const Grid grid(m, n, k);
  const auto down = (m + grid.rows - 1) / grid.rows, across = (n + grid.columns - 1) / grid.columns;
  parallel_for(0, down * across, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto piece = begin; piece < end; ++piece) {
      const auto row = piece / across * grid.rows, column = piece % across * grid.columns;
      multiply(row, std::min(grid.rows, m - row), column, std::min(grid.columns, n - column));
    }
  });
  return true;
}

}  // namespace ingot
