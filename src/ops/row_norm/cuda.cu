#include "ops/row_norm/kernels.cuh"

using namespace ingot::cuda;

extern "C" {

bool ingot_cuda_row_norm_fits(const IngotCudaRowNorm& norm) {
  bool fits = false;
  with_type(norm.type, [&]<class T>() {
    const std::int64_t pack = row_norm::is_packed<T>(norm) ? row_norm::kFullPack<T> : 1;
    fits = norm.x_rows.width <= row_norm::kMaxPacks * row_norm::kBlock * pack;
  });
  return fits;
}

std::int64_t ingot_cuda_row_norm_partials(const IngotCudaRowNorm& norm) {
  return row_norm::backward_blocks(norm) * row_norm::groups_per_block(norm);
}
}
