#include "data/shards/checksum.h"

#include <xxhash.h>

#include <cstdio>
#include <new>

namespace ingot {
namespace {

std::string hex(std::uint64_t value) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::string hex(XXH128_hash_t hash) { return hex(hash.high64) + hex(hash.low64); }

}  // namespace

std::string hash64(std::string_view bytes) { return hex(XXH3_64bits(bytes.data(), bytes.size())); }
std::string hash128(std::string_view bytes) { return hex(XXH3_128bits(bytes.data(), bytes.size())); }

struct StreamHash::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

StreamHash::StreamHash() : state_(std::make_unique<State>()) {
  if (state_->xxh == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_->xxh);
}

StreamHash::~StreamHash() = default;

void StreamHash::update(const void* data, std::size_t size) { XXH3_128bits_update(state_->xxh, data, size); }

void StreamHash::field(std::string_view bytes) {
  const std::uint64_t size = bytes.size();
  update(&size, sizeof size);
  update(bytes);
}

std::string StreamHash::digest() const { return hex(XXH3_128bits_digest(state_->xxh)); }

}  // namespace ingot
