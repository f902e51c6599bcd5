// A thread walks along a stretch of tokens with a pack of channels and keeps the last inputs in registers, so that each
// element is read once, those of a few tokens together. Stretches of the backward pass also sum the parameters' gradients on
// the way.

#include "device/cuda/kernel.cuh"
#include "ops/short_conv/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 128;
constexpr int kForwardStretch = 32;  // tokens of a thread
constexpr int kBackwardStretch = 128;
constexpr int kAtOnce = 4;  // tokens that are read together; divides kForwardStretch

/// Where the taps of a token read: the first row of its document, and which tail lies before it.
struct Place {
  std::int64_t start;
  bool in_incoming;
};

__device__ inline Place place_of(const IngotCudaConv& c, std::int64_t b, std::int64_t t) {
  const std::int64_t origin = c.origin == nullptr ? -1 : c.origin[b * c.length + t];
  return origin < 0 ? Place{0, true} : Place{origin, false};
}

template <int N>
struct Wide {
  float v[N];
};

template <class T, int N>
__device__ inline Wide<N> read(const T* p) {
  const auto pack = load<N>(p);
  Wide<N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = wide(pack.v[i]);
  return out;
}

template <class T, int N>
__device__ inline void write(T* p, const Wide<N>& x) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack.v[i] = narrow<T>(x.v[i]);
  store(p, pack);
}

/// One thread's channels [channel, channel + N) of batch row b.
template <class T, int kTaps, int N>
struct Walker {
  const IngotCudaConv& c;
  std::int64_t b, channel;
  float weight[kTaps][N];
  float bias[N];

  __device__ Walker(const IngotCudaConv& conv, std::int64_t row, std::int64_t first) : c(conv), b(row), channel(first) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
#pragma unroll
      for (int j = 0; j < kTaps; ++j) weight[j][i] = c.weight[j * c.channels + channel + i];
      bias[i] = c.bias == nullptr ? 0.0f : c.bias[channel + i];
    }
  }

  __device__ Wide<N> input(std::int64_t t) const {
    return read<T, N>(static_cast<const T*>(c.x) + b * c.batch_stride + t * c.row_stride + channel);
  }
  __device__ const T* tail(const Place& place, std::int64_t row) const {
    const std::int64_t stride = place.in_incoming ? c.incoming_stride : c.fresh_stride;
    const void* base = place.in_incoming ? c.incoming : c.fresh;
    return static_cast<const T*>(base) + b * stride + (kTaps - 1 + row - place.start) * c.channels + channel;
  }

  /// The last inputs before token t: window[j] = x_{t - taps + 1 + j}; rows before the batch row's begin stay zero.
  __device__ void fill(std::int64_t t, Wide<N> (&window)[kTaps]) const {
#pragma unroll
    for (int j = 0; j < kTaps - 1; ++j) {
      const std::int64_t row = t - kTaps + j;
      window[j + 1] = Wide<N>{};
      if (row + 1 >= 0 && row + 1 < t) window[j + 1] = input(row + 1);
    }
  }

  __device__ Wide<N> output_gradient(const T* dy, std::int64_t t) const {
    return read<T, N>(dy + (b * c.length + t) * c.channels + channel);
  }

  /// Moves the window to token t, whose input is x, and gives what its taps meet, tails included.
  __device__ void advance(std::int64_t t, const Wide<N>& x, const Place& place, Wide<N> (&window)[kTaps],
                          Wide<N> (&seen)[kTaps]) const {
#pragma unroll
    for (int j = 0; j < kTaps - 1; ++j) window[j] = window[j + 1];
    window[kTaps - 1] = x;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      const std::int64_t row = t - kTaps + 1 + j;
      seen[j] = row >= place.start ? window[j] : read<T, N>(tail(place, row));
    }
  }

  __device__ Wide<N> convolve(const Wide<N> (&seen)[kTaps]) const {
    Wide<N> out;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      out.v[i] = bias[i];
#pragma unroll
      for (int j = 0; j < kTaps; ++j) out.v[i] += seen[j].v[i] * weight[j][i];
    }
    return out;
  }

  /// Gradient before the activation, from that after it.
  __device__ Wide<N> pre_gradient(Wide<N> d, const Wide<N> (&seen)[kTaps]) const {
    if (!c.silu) return d;
    const Wide<N> z = convolve(seen);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float s = sigmoid(z.v[i]);
      d.v[i] *= s * (1.0f + z.v[i] * (1.0f - s));
    }
    return d;
  }
};

/// Which channels, batch row and stretch a thread has; `more` is false beyond the end.
struct Share {
  std::int64_t channel, b, begin, end, stretch;
  bool more;

  __device__ Share(const IngotCudaConv& c, int pack, int stretch_length) {
    const std::int64_t packs = c.channels / pack, stretches = (c.length + stretch_length - 1) / stretch_length;
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
    more = index < packs * stretches * c.batch;
    channel = index % packs * pack;
    stretch = index / packs;
    b = stretch / stretches;
    begin = stretch % stretches * stretch_length;
    end = begin + stretch_length < c.length ? begin + stretch_length : c.length;
  }
};

template <class T, int kTaps, int N>
__global__ void __launch_bounds__(kBlock) forward(IngotCudaConv c, T* y) {
  const Share share(c, N, kForwardStretch);
  if (!share.more) return;
  const Walker<T, kTaps, N> walker(c, share.b, share.channel);
  Wide<N> window[kTaps], seen[kTaps];
  walker.fill(share.begin, window);
  for (std::int64_t first = share.begin; first < share.end; first += kAtOnce) {
    Wide<N> x[kAtOnce];
    Place place[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (first + u >= share.end) continue;
      x[u] = walker.input(first + u);
      place[u] = place_of(c, share.b, first + u);
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      const std::int64_t t = first + u;
      if (t >= share.end) continue;
      walker.advance(t, x[u], place[u], window, seen);
      Wide<N> out = walker.convolve(seen);
      if (c.silu) {
#pragma unroll
        for (int i = 0; i < N; ++i) out.v[i] *= sigmoid(out.v[i]);
      }
      write<T, N>(y + (share.b * c.length + t) * c.channels + share.channel, out);
    }
  }
}

// dx_t = sum over lags of d_{t+lag} w[taps-1-lag], while t + lag is in the document of t: known taps - 1 tokens later.
template <class T, int kTaps, int N>
__global__ void __launch_bounds__(kBlock) backward(IngotCudaConv c, IngotCudaConvGradients g) {
  const Share share(c, N, kBackwardStretch);
  if (!share.more) return;
  const Walker<T, kTaps, N> walker(c, share.b, share.channel);
  const T* dy = static_cast<const T*>(g.dy);
  T* dx = static_cast<T*>(g.dx);
  Wide<N> window[kTaps], seen[kTaps];
  Wide<N> pending[kTaps] = {};  // pending[j]: dx of token t - taps + 1 + j as far as it is known
  float dweight[kTaps][N] = {}, dbias[N] = {};
  walker.fill(share.begin, window);
  const std::int64_t last = share.end + kTaps - 1;  // later tokens still reach back into the stretch
  for (std::int64_t first = share.begin; first < last; first += kAtOnce) {
    Wide<N> x[kAtOnce], after[kAtOnce];
    Place place[kAtOnce];
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      const std::int64_t t = first + u;
      if (t >= last || t >= c.length) continue;
      x[u] = walker.input(t);
      after[u] = walker.output_gradient(dy, t);
      place[u] = place_of(c, share.b, t);
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      const std::int64_t t = first + u;
      if (t >= last) continue;
#pragma unroll
      for (int j = 0; j < kTaps - 1; ++j) pending[j] = pending[j + 1];
      pending[kTaps - 1] = Wide<N>{};
      if (t < c.length) {
        walker.advance(t, x[u], place[u], window, seen);
        const Wide<N> d = walker.pre_gradient(after[u], seen);
#pragma unroll
        for (int j = 0; j < kTaps; ++j) {
          const bool reaches = t - kTaps + 1 + j >= place[u].start;
#pragma unroll
          for (int i = 0; i < N; ++i) {
            if (t < share.end) dweight[j][i] += d.v[i] * seen[j].v[i];
            if (reaches) pending[j].v[i] += d.v[i] * walker.weight[j][i];
          }
        }
#pragma unroll
        for (int i = 0; i < N; ++i) dbias[i] += t < share.end ? d.v[i] : 0.0f;
      }
      const std::int64_t done = t - kTaps + 1;
      if (done >= share.begin && done < share.end) {
        write<T, N>(dx + (share.b * c.length + done) * c.channels + share.channel, pending[0]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const std::int64_t channel = share.channel + i;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) g.dweight_parts[(share.stretch * kTaps + j) * c.channels + channel] = dweight[j][i];
    if (g.dbias_parts != nullptr) g.dbias_parts[share.stretch * c.channels + channel] = dbias[i];
  }
}

/// Gradients of the tails: a thread looks for the tokens of one channel that reach over a document's begin, in a stretch of
/// tokens if documents may begin anywhere.
template <class T, int kTaps>
__global__ void __launch_bounds__(kBlock)
    backward_tails(IngotCudaConv c, IngotCudaConvGradients g, std::int64_t stretches) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  const std::int64_t rows = c.batch * c.channels, first = index / rows * kBackwardStretch;
  if (index >= rows * stretches) return;
  const std::int64_t b = index % rows / c.channels, channel = index % c.channels;
  const Walker<T, kTaps, 1> walker(c, b, channel);
  float dtail[2][kTaps - 1] = {};  // fresh, incoming
  std::int64_t last = c.origin == nullptr ? kTaps - 1 : first + kBackwardStretch;
  if (last > c.length) last = c.length;
  for (std::int64_t t = first; t < last; ++t) {
    const Place place = place_of(c, b, t);
    if (t - place.start >= kTaps - 1) continue;
    Wide<1> window[kTaps], seen[kTaps];
    walker.fill(t, window);
    walker.advance(t, walker.input(t), place, window, seen);
    const float d = walker.pre_gradient(walker.output_gradient(static_cast<const T*>(g.dy), t), seen).v[0];
#pragma unroll
    for (int j = 0; j < kTaps - 1; ++j) {
      const std::int64_t row = t - kTaps + 1 + j;
#pragma unroll
      for (int k = 0; k < kTaps - 1; ++k) {
        if (row < place.start && kTaps - 1 + row - place.start == k) {
          dtail[place.in_incoming ? 1 : 0][k] += d * walker.weight[j][0];
        }
      }
    }
  }
#pragma unroll
  for (int k = 0; k < kTaps - 1; ++k) {
    const std::int64_t at = ((index / rows * c.batch + b) * (kTaps - 1) + k) * c.channels + channel;
    g.dfresh_parts[at] = dtail[0][k];
    g.dincoming_parts[at] = dtail[1][k];
  }
}

/// Calls f.template operator()<T, kTaps, N>().
template <class F>
void with_shape(const IngotCudaConv& c, std::initializer_list<const void*> pointers, F f) {
  with_type(c.type, [&]<class T>() {
    constexpr int kPack = 4;
    const bool packed = packs_fit<T, kPack>({c.x, c.incoming, c.fresh}, {c.channels, c.batch_stride, c.row_stride}) &&
                        packs_fit<T, kPack>(pointers, {});
    const auto choose = [&]<int kTaps>() {
      if (packed) return f.template operator()<T, kTaps, kPack>();
      return f.template operator()<T, kTaps, 1>();
    };
    if (c.taps == 2) return choose.template operator()<2>();
    if (c.taps == 3) return choose.template operator()<3>();
    return choose.template operator()<4>();
  });
}

std::int64_t stretches_of(const IngotCudaConv& c, int length) { return c.batch * ((c.length + length - 1) / length); }

}  // namespace
}  // namespace ingot::cuda

using namespace ingot::cuda;

extern "C" {

void ingot_cuda_conv_forward(const IngotCudaConv& c, void* y) {
  if (c.batch * c.length * c.channels == 0) return;
  with_shape(c, {y}, [&]<class T, int kTaps, int N>() {
    const std::int64_t threads = stretches_of(c, kForwardStretch) * (c.channels / N);
    forward<T, kTaps, N><<<blocks_for(threads, kBlock), kBlock, 0, stream_of(c.stream)>>>(c, static_cast<T*>(y));
  });
  check_launch("short_conv forward");
}

std::int64_t ingot_cuda_conv_partials(const IngotCudaConv& c) { return stretches_of(c, kBackwardStretch); }

std::int64_t ingot_cuda_conv_tail_partials(const IngotCudaConv& c) {
  return c.origin == nullptr ? 1 : stretches_of(c, kBackwardStretch) / c.batch;
}

void ingot_cuda_conv_backward(const IngotCudaConv& c, const IngotCudaConvGradients& g) {
  if (c.batch * c.length * c.channels == 0) return;
  with_shape(c, {g.dy, g.dx}, [&]<class T, int kTaps, int N>() {
    const std::int64_t threads = stretches_of(c, kBackwardStretch) * (c.channels / N);
    backward<T, kTaps, N><<<blocks_for(threads, kBlock), kBlock, 0, stream_of(c.stream)>>>(c, g);
    check_launch("short_conv backward");
    const std::int64_t stretches = ingot_cuda_conv_tail_partials(c);
    backward_tails<T, kTaps>
        <<<blocks_for(c.batch * c.channels * stretches, kBlock), kBlock, 0, stream_of(c.stream)>>>(c, g, stretches);
  });
  check_launch("short_conv backward of tails");
}
}
