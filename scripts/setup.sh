#!/usr/bin/env bash
# Installs what is missing, gets LibTorch and builds Ingot into build/. Safe to run again: then it takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cuda] [--tests] [--no-build]

Installs missing system packages (apt, as root or with sudo), unpacks LibTorch into .deps/ and builds the release
preset into build/. Nothing else outside this folder is written.

  --cuda      also get what the GPU part needs (CUDA 13; parts that the system has are used) and insist on building it.
              Without this it is built where nvcc of CUDA 13 is found
  --tests     also build the tests, and get the formatter that they use
  --no-build  stop before compiling
  --help      this text

INGOT_TORCH=/path uses the LibTorch 2.11.0 that lies there instead of downloading one.
TEXT
}

CUDA=0 TESTS=0 BUILD=1
for argument in "$@"; do
  case $argument in
    --cuda) CUDA=1 ;;
    --tests) TESTS=1 ;;
    --no-build) BUILD=0 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

. scripts/common.sh

TORCH_WHEELS=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
CUDA_WHEELS=(nvidia-cudnn-cu13==9.19.0.56 nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9
  nvidia-nvshmem-cu13==3.4.5)
CUDA_TOOLKIT=13.0.2
FORMATTER=clang-format==14.0.6

system_packages \
  g++:g++ cmake:cmake ninja-build:ninja git:git \
  ca-certificates:/etc/ssl/certs/ca-certificates.crt python3:python3 python3-pip:python:pip \
  "libyaml-cpp-dev:/usr/include/yaml-cpp/yaml.h" "libspdlog-dev:/usr/include/spdlog/spdlog.h" \
  "libsentencepiece-dev:/usr/include/sentencepiece_trainer.h" "libcli11-dev:/usr/include/CLI/CLI.hpp" \
  "nlohmann-json3-dev:/usr/include/nlohmann/json.hpp" "libxxhash-dev:/usr/include/xxhash.h" \
  "libzstd-dev:/usr/include/zstd.h" "zlib1g-dev:/usr/include/zlib.h" \
  "libgloo-dev:/usr/include/gloo/allreduce.h" "libgtest-dev:/usr/include/gtest/gtest.h" \
  "libbenchmark-dev:/usr/include/benchmark/benchmark.h" \
  "?libopenblas0-pthread:/usr/lib/*-linux-gnu/openblas-pthread/libopenblas.so.0"

# One set-up at a time works on .deps; what an interrupted one left is swept away. A folder gets its final name only when
# everything in it is complete, so a final name is proof enough.
exec 9>"$DEPS/.lock"
flock 9
rm -rf "$DEPS"/tmp.*

torch_version() { sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$1/version.py" 2>/dev/null || true; }

phase "LibTorch"
if [ -n "${INGOT_TORCH:-}" ]; then
  [ "$(torch_version "$INGOT_TORCH")" = 2.11.0 ] ||
    die "INGOT_TORCH=$INGOT_TORCH: expected LibTorch 2.11.0 (lib, include, version.py)"
  phase_end "$INGOT_TORCH"
elif [ "$(torch_version "$DEPS/torch")" = 2.11.0 ]; then
  phase_end "there already"
else
  free=$(df -Pk "$DEPS" | awk 'NR == 2 {print int($4 / 1024)}')
  [ "$free" -ge 3000 ] || die "$DEPS has $free MB free, 3000 MB are needed"
  fresh=$(mktemp -d "$DEPS/tmp.XXXXXX")
  say "    downloading 545 MB"
  fetch_wheels "$fresh" --no-deps "${TORCH_WHEELS[@]}"
  say "    unpacking"
  for wheel in "$fresh"/*.whl; do
    unpack_wheel "$wheel" "$fresh" torch/lib/ torch/include/ torch/version.py nvidia/
  done
  rm -rf "$DEPS/torch" "$DEPS/nvidia"
  mv "$fresh/nvidia" "$DEPS/nvidia"
  mv "$fresh/torch" "$DEPS/torch"
  rm -rf "$fresh"
  phase_end "$(du -sm "$DEPS/torch" | cut -f1) MB in .deps/torch"
fi

if [ $CUDA -eq 1 ]; then
  phase "CUDA libraries"
  stamp=$DEPS/nvidia/.cuda-$CUDA_TOOLKIT
  if [ -e "$stamp" ]; then
    phase_end "there already"
  else
    parts=()
    for part in cublas cufft cufile curand cusolver cusparse nvJitLink; do
      ldconfig -p | grep -q "lib$part\.so" || parts+=("${part,,}")
    done
    nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
    "$nvcc" --version 2>/dev/null | grep -q 'release 13' || parts+=(nvcc cccl crt nvvm cudart)
    fresh=$(mktemp -d "$DEPS/tmp.XXXXXX")
    # Some of these would bring the newest cuBLAS along; what the toolkit of this version names is what LibTorch wants.
    say "    downloading ${CUDA_WHEELS[*]}"
    fetch_wheels "$fresh" --no-deps "${CUDA_WHEELS[@]}"
    if [ ${#parts[@]} -gt 0 ]; then
      say "    downloading CUDA $CUDA_TOOLKIT: ${parts[*]}"
      fetch_wheels "$fresh" "cuda-toolkit[$(IFS=,; echo "${parts[*]}")]==$CUDA_TOOLKIT"
    fi
    for wheel in "$fresh"/*.whl; do unpack_wheel "$wheel" "$fresh" nvidia/; done
    if [ -d "$fresh/nvidia" ]; then cp -a "$fresh/nvidia/." "$DEPS/nvidia/"; fi
    rm -rf "$fresh"
    touch "$stamp"
    phase_end "$(du -sm "$DEPS/nvidia" | cut -f1) MB in .deps/nvidia"
  fi
fi

if [ $TESTS -eq 1 ]; then
  phase "formatter"
  if [ -x "$DEPS/bin/clang-format" ]; then
    phase_end "there already"
  else
    fresh=$(mktemp -d "$DEPS/tmp.XXXXXX")
    fetch_wheels "$fresh" --no-deps "$FORMATTER"
    unpack_wheel "$fresh"/*.whl "$fresh" clang_format/data/bin/
    mkdir -p "$DEPS/bin"
    chmod 755 "$fresh/clang_format/data/bin/clang-format"
    mv "$fresh/clang_format/data/bin/clang-format" "$DEPS/bin/clang-format"
    rm -rf "$fresh"
    phase_end
  fi
fi
exec 9>&-

if [ $BUILD -eq 1 ]; then
  cuda=AUTO target=ingot
  if [ $CUDA -eq 1 ]; then cuda=ON; fi
  if [ $TESTS -eq 1 ]; then target=all; fi
  phase "configure"
  cmake --preset release -DINGOT_TORCH="${INGOT_TORCH:-}" -DINGOT_CUDA=$cuda -DINGOT_UNITY="${INGOT_UNITY:-OFF}" >"$ROOT/.cache/configure.log" 2>&1 ||
    { cat "$ROOT/.cache/configure.log" >&2; die "cmake failed"; }
  phase_end
  phase "build"
  NINJA_STATUS="    [%f/%t, %e s] " ninja -C build -j "$(build_jobs)" "$target" ||
    die "the build failed: see the first error above"
  phase_end "build/"
fi

say "==> set-up is complete"
phase_summary
