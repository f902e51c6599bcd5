#include "device/side_stream.h"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace ingot {

SideStream::SideStream(c10::Device device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device, /*isHighPriority=*/true);
}

void SideStream::follow_current() const {
  if (!stream_) return;
  const auto device = stream_->device();
  c10::Event event(device.type());
  event.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  event.block(*stream_);
}

void SideStream::wait() const {
  if (stream_) stream_->synchronize();
}

SideStream::Guard::Guard(const SideStream& side) {
  if (side.stream_) guard_.emplace(*side.stream_);
}

}  // namespace ingot
