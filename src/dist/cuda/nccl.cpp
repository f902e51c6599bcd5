#include "dist/cuda/nccl.h"

#if __has_include(<nccl.h>)
#include <nccl.h>
#endif

// ncclConfig_t lies within a class of LibTorch, so the header has to be that of the NCCL that LibTorch was built with.
#if defined(NCCL_VERSION_CODE) && NCCL_VERSION_CODE >= 22800 && NCCL_VERSION_CODE < 22900
#define USE_C10D_NCCL
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

c10d::Backend* ingot_cuda_make_nccl(c10d::Store* store, int rank, int size) {
  // Its watchdogs end the process; ours give the reason first.
  for (const char* name :
       {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "TORCH_NCCL_ENABLE_MONITORING", "TORCH_NCCL_DUMP_ON_TIMEOUT"}) {
    setenv(name, "0", 1);
  }
  auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
  const auto shared = c10::intrusive_ptr<c10d::Store>::reclaim_copy(store);
  c10::intrusive_ptr<c10d::Backend> group = c10::make_intrusive<c10d::ProcessGroupNCCL>(shared, rank, size, options);
  return group.release();
}

#else

c10d::Backend* ingot_cuda_make_nccl(c10d::Store* /*store*/, int /*rank*/, int /*size*/) { return nullptr; }

#endif
