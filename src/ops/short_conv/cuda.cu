// A thread walks along a stretch of tokens with a pack of channels and keeps the last inputs in registers, so that each
// element is read once, those of a few tokens together. Stretches of the backward pass also sum the parameters'
// gradients on the way. Groups of tokens that lie within one document, nearly all, take the short way.

#include "device/cuda/kernel.cuh"
#include "ops/short_conv/cuda.h"

namespace ingot::cuda {
namespace {

constexpr int kBlock = 128;
constexpr int kForwardStretch = 32;  // tokens of a thread
constexpr int kBackwardStretch = 128;
constexpr int kAtOnce = 4;  // tokens that are read together, a group; divides both stretches

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

/// One thread's channels [channel, channel + N) of batch row b. It reads kAtOnce tokens at a time, a group; behind them
/// in `rows` lie the kTaps - 1 tokens before, so that token u of the group meets rows[u + j] with tap j.
template <class T, int kTaps, int N>
struct Walker {
  static constexpr int kBehind = kTaps - 1;
  using Rows = Wide<N>[kBehind + kAtOnce];

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

  __device__ const T* inputs() const { return static_cast<const T*>(c.x) + b * c.batch_stride + channel; }
  __device__ Wide<N> input(std::int64_t t) const { return read<T, N>(inputs() + t * c.row_stride); }
  __device__ Wide<N> output_gradient(const T* dy, std::int64_t t) const {
    return read<T, N>(dy + (b * c.length + t) * c.channels + channel);
  }
  /// What lies before a document's first row.
  __device__ Wide<N> tail(const Place& place, std::int64_t row) const {
    const std::int64_t stride = place.in_incoming ? c.incoming_stride : c.fresh_stride;
    const void* base = place.in_incoming ? c.incoming : c.fresh;
    return read<T, N>(static_cast<const T*>(base) + b * stride + (kBehind + row - place.start) * c.channels + channel);
  }

  /// The tokens before the first group; rows before the batch row's begin are never met.
  __device__ void begin(std::int64_t first, Rows& rows) const {
#pragma unroll
    for (int j = 0; j < kBehind; ++j) {
      rows[j] = Wide<N>{};
      if (first - kBehind + j >= 0) rows[j] = input(first - kBehind + j);
    }
  }

  /// Reads tokens first ... first + count - 1.
  __device__ void read_group(std::int64_t first, int count, Rows& rows) const {
    const T* x = inputs() + first * c.row_stride;
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (u < count) rows[kBehind + u] = read<T, N>(x + u * c.row_stride);
    }
  }

  /// Whether no tap of the group reaches over the begin of a document.
  __device__ bool is_inside(std::int64_t first, int count) const {
    if (c.origin == nullptr) return first >= kBehind;
    bool inside = true;
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (u < count) inside = inside && first + u - kBehind >= place_of(c, b, first + u).start;
    }
    return inside;
  }

  /// What the taps of token u meet, tails included.
  __device__ void meet(std::int64_t first, int u, const Rows& rows, Wide<N> (&seen)[kTaps]) const {
    const Place place = place_of(c, b, first + u);
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      const std::int64_t row = first + u - kBehind + j;
      seen[j] = rows[u + j];
      if (row < place.start) seen[j] = tail(place, row);
    }
  }

  /// Moves on by a group.
  static __device__ void pass(Rows& rows) {
#pragma unroll
    for (int j = 0; j < kBehind; ++j) rows[j] = rows[kAtOnce + j];
  }

  __device__ Wide<N> convolve(const Wide<N>* seen) const {
    Wide<N> out;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      out.v[i] = bias[i];
#pragma unroll
      for (int j = 0; j < kTaps; ++j) out.v[i] += seen[j].v[i] * weight[j][i];
    }
    return out;
  }

  __device__ Wide<N> activated(const Wide<N>* seen) const {
    Wide<N> out = convolve(seen);
    if (!c.silu) return out;
#pragma unroll
    for (int i = 0; i < N; ++i) out.v[i] *= sigmoid(out.v[i]);
    return out;
  }

  /// Gradient before the activation, from that after it.
  __device__ Wide<N> pre_gradient(Wide<N> d, const Wide<N>* seen) const {
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

/// Tokens of the group that begins at `first` and of the range that ends at `last`.
__device__ inline int group_size(std::int64_t first, std::int64_t last) {
  const std::int64_t left = last - first;
  return left < 0 ? 0 : left < kAtOnce ? static_cast<int>(left) : kAtOnce;
}

template <class T, int kTaps, int N>
__global__ void __launch_bounds__(kBlock) forward(IngotCudaConv c, T* y) {
  using W = Walker<T, kTaps, N>;
  const Share share(c, N, kForwardStretch);
  if (!share.more) return;
  const W walker(c, share.b, share.channel);
  typename W::Rows rows;
  walker.begin(share.begin, rows);
  y += (share.b * c.length + share.begin) * c.channels + share.channel;
  for (std::int64_t first = share.begin; first < share.end; first += kAtOnce) {
    const int count = group_size(first, share.end);
    walker.read_group(first, count, rows);
    const bool inside = walker.is_inside(first, count);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (u >= count) continue;
      if (inside) {
        write<T, N>(y, walker.activated(rows + u));
      } else {
        Wide<N> seen[kTaps];
        walker.meet(first, u, rows, seen);
        write<T, N>(y, walker.activated(seen));
      }
      y += c.channels;
    }
    W::pass(rows);
  }
}

/// What a thread of the backward pass sums up.
template <class T, int kTaps, int N>
struct Sums {
  using W = Walker<T, kTaps, N>;
  typename W::Rows pending = {};  // dx of the tokens in `rows` as far as it is known
  float dweight[kTaps][N] = {}, dbias[N] = {};

  /// Token u, whose taps met `seen`; its own stretch sums the parameters' gradients.
  __device__ void add(const W& walker, const Wide<N>& d, const Wide<N>* seen, int u, bool own, std::int64_t first_tap) {
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        if (own) dweight[j][i] += d.v[i] * seen[j].v[i];
        if (j >= first_tap) pending[u + j].v[i] += d.v[i] * walker.weight[j][i];
      }
    }
#pragma unroll
    for (int i = 0; i < N; ++i) dbias[i] += own ? d.v[i] : 0.0f;
  }
};

// dx_t = sum over lags of d_{t+lag} w[taps-1-lag], while t + lag is in the document of t: known taps - 1 tokens later.
template <class T, int kTaps, int N>
__global__ void __launch_bounds__(kBlock) backward(IngotCudaConv c, IngotCudaConvGradients g) {
  using W = Walker<T, kTaps, N>;
  const Share share(c, N, kBackwardStretch);
  if (!share.more) return;
  const W walker(c, share.b, share.channel);
  T* dx = static_cast<T*>(g.dx) + share.b * c.length * c.channels + share.channel;
  typename W::Rows rows;
  Sums<T, kTaps, N> sums;
  walker.begin(share.begin, rows);
  const std::int64_t reach = share.end + W::kBehind;  // later tokens still reach back into the stretch
  const std::int64_t last = reach < c.length ? reach : c.length;
  for (std::int64_t first = share.begin; first < reach; first += kAtOnce) {
    const int count = group_size(first, last);
    Wide<N> d[kAtOnce];
    walker.read_group(first, count, rows);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {
      if (u < count) d[u] = walker.output_gradient(static_cast<const T*>(g.dy), first + u);
    }
    if (first + kAtOnce <= share.end && walker.is_inside(first, kAtOnce)) {
#pragma unroll
      for (int u = 0; u < kAtOnce; ++u) sums.add(walker, walker.pre_gradient(d[u], rows + u), rows + u, u, true, 0);
    } else {
#pragma unroll
      for (int u = 0; u < kAtOnce; ++u) {
        if (u >= count) continue;
        Wide<N> seen[kTaps];
        walker.meet(first, u, rows, seen);
        const std::int64_t before = place_of(c, share.b, first + u).start - (first + u - W::kBehind);
        sums.add(walker, walker.pre_gradient(d[u], seen), seen, u, first + u < share.end, before);
      }
    }
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) {  // done: the tokens that the next group does not reach
      const std::int64_t t = first - W::kBehind + u;
      if (t >= share.begin && t < share.end) write<T, N>(dx + t * c.channels, sums.pending[u]);
    }
    W::pass(rows);
    W::pass(sums.pending);
#pragma unroll
    for (int u = 0; u < kAtOnce; ++u) sums.pending[W::kBehind + u] = Wide<N>{};
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const std::int64_t channel = share.channel + i;
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
      g.dweight_parts[(share.stretch * kTaps + j) * c.channels + channel] = sums.dweight[j][i];
    }
    if (g.dbias_parts != nullptr) g.dbias_parts[share.stretch * c.channels + channel] = sums.dbias[i];
  }
}

/// Gradients of the tails: a thread looks for the tokens of one channel that reach over a document's begin, in a
/// stretch of tokens if documents may begin anywhere.
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
    typename Walker<T, kTaps, 1>::Rows rows;
    Wide<1> seen[kTaps];
    walker.begin(t, rows);
    walker.read_group(t, 1, rows);
    walker.meet(t, 0, rows, seen);
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
