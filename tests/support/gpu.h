#pragma once
// Tests that need a GPU (files *_gpu_test.cpp, label gpu).

#include <gtest/gtest.h>

#include "device/gpu.h"

/// First line of every such test: loads the plugin before LibTorch is used, skips where there is no GPU.
#define INGOT_NEEDS_GPU()                              \
  ::ingot::load_gpu_plugin();                          \
  if (!::ingot::gpu_available()) {                     \
    GTEST_SKIP() << ::ingot::gpu_unavailable_reason(); \
  }                                                    \
  static_assert(true, "")
