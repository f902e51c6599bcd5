// Precompiled for tests of modules that use LibTorch.
#pragma once

#include <gtest/gtest.h>

#include "torch_pch.h"
