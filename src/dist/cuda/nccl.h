#pragma once
// NCCL's part of the GPU plugin. C, since the program looks it up by name.

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

extern "C" {
/// A group of `size` ranks, each with a GPU of its own, device 0 of its process; the caller owns a reference to it.
/// Null if the plugin was built without NCCL's header. Nothing is connected before the first collective, which never
/// times out by itself: its caller watches and aborts.
c10d::Backend* ingot_cuda_make_nccl(c10d::Store* store, int rank, int size);
}
