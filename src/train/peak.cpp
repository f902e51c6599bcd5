#include "train/peak.h"

#include "device/gpu.h"
#include "device/machine.h"
#include "recipe/options.h"
#include "train/setup.h"

namespace ingot {

double peak_gflops(Precision precision, DeviceKind device) {
  const auto type = precision == Precision::kBfloat16 ? MatmulType::kBfloat16 : MatmulType::kFloat32;
  if (device != DeviceKind::kCuda) return measure_matmul_gflops(type, 1024, 100);
  const double known = gpu_peak_flops(gpu_info().name) * 1e-9;
  if (type == MatmulType::kBfloat16 && known > 0) return known;
  return measure_matmul_gflops(type, 8192, 200, torch_device(device));
}

}  // namespace ingot
