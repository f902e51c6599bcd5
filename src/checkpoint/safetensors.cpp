#include "checkpoint/safetensors.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/reading.h"
#include "base/text.h"
#include "checkpoint/errors.h"
#include "checkpoint/safetensors_header.h"

namespace ingot {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

// A private writable mapping: an operation in place changes this process's copy of a page, never the file, where a
// read-only one would end in a signal.
struct SafetensorsFile::Mapping {
  explicit Mapping(const fs::path& file) : path(file) {
    const int fd = open_regular(path, ExitCode::kCheckpoint);
    struct stat status;
    if (::fstat(fd, &status) != 0) {
      const int reason = errno;
      ::close(fd);
      fail(reason);
    }
    size = static_cast<std::size_t>(status.st_size);
    void* map = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    const int reason = errno;
    ::close(fd);
    if (map == MAP_FAILED) fail(reason);
    data = static_cast<char*>(map);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data != nullptr) ::munmap(data, size);
  }
  [[noreturn]] void fail(int reason) const {
    throw CheckpointError(cat("cannot read '", path.string(), "': ", std::generic_category().message(reason)));
  }

  fs::path path;
  char* data = nullptr;
  std::size_t size = 0;
};

SafetensorsFile::SafetensorsFile(const fs::path& path) : mapping_(std::make_shared<Mapping>(path)) {
  safetensors::Header header =
      safetensors::parse_header(path, std::string_view(mapping_->data, mapping_->data == nullptr ? 0 : mapping_->size));
  entries_ = std::move(header.entries);
  metadata_ = std::move(header.metadata);
  for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
}

const fs::path& SafetensorsFile::path() const { return mapping_->path; }

const SafetensorsFile::Entry* SafetensorsFile::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &entries_[it->second];
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const Entry* entry = find(name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const Entry& other : entries_) names.push_back(other.name);
    throw CheckpointError(cat("'", path().string(), "' has no tensor '", name, "'", did_you_mean(name, names)));
  }
  const auto options = at::TensorOptions().dtype(entry->dtype);
  if (entry->bytes == 0) return at::empty(entry->shape, options);
  char* data = mapping_->data + entry->begin;
  const auto alignment = static_cast<std::uintptr_t>(at::elementSize(entry->dtype));
  if (reinterpret_cast<std::uintptr_t>(data) % alignment != 0) {
    // Other programs need not align.
    at::Tensor copy = at::empty(entry->shape, options);
    std::memcpy(copy.data_ptr(), data, static_cast<std::size_t>(entry->bytes));
    return copy;
  }
  return at::from_blob(
      data, entry->shape, [mapping = mapping_](void*) {}, options);
}

NamedTensors SafetensorsFile::tensors() const {
  NamedTensors out;
  for (const Entry& entry : entries_) out.emplace_back(entry.name, tensor(entry.name));
  return out;
}

namespace {

/// The order in the file: falling element size keeps every tensor aligned without holes.
std::vector<const NamedTensors::value_type*> file_order(const NamedTensors& tensors) {
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const auto size_a = a->second.element_size();
    const auto size_b = b->second.element_size();
    return size_a != size_b ? size_a > size_b : a->first < b->first;
  });
  return order;
}

/// The header with its length, padded to a multiple of 8 bytes.
std::string header_bytes(const NamedTensors& tensors, const TensorMetadata& metadata) {
  std::vector<safetensors::HeaderItem> items;
  for (const auto* item : file_order(tensors)) {
    items.push_back({item->first, item->second.scalar_type(), item->second.sizes().vec()});
  }
  return safetensors::make_header(items, metadata);
}

}  // namespace

std::int64_t safetensors_size(const NamedTensors& tensors, const TensorMetadata& metadata) {
  auto size = static_cast<std::int64_t>(header_bytes(tensors, metadata).size());
  for (const auto& item : tensors) size += static_cast<std::int64_t>(item.second.nbytes());
  return size;
}

FileDigest write_safetensors(const fs::path& path, const NamedTensors& tensors, const TensorMetadata& metadata) {
  constexpr std::int64_t kChunk = std::int64_t{1} << 20;  // hashed while in the cache, then written
  const std::string header = header_bytes(tensors, metadata);
  return checkpoint_detail::with_checkpoint_errors([&] {
    FileWriter file(path, ExitCode::kCheckpoint);
    Digester digester;
    const auto put = [&](const char* data, std::int64_t bytes) {
      for (std::int64_t done = 0; done < bytes; done += kChunk) {
        const auto part = static_cast<std::size_t>(std::min(kChunk, bytes - done));
        digester.add(data + done, part);
        file.write(data + done, part);
      }
    };
    put(header.data(), static_cast<std::int64_t>(header.size()));
    for (const auto* item : file_order(tensors)) {
      if (item->second.numel() == 0) continue;
      const at::Tensor tensor = item->second.detach().to(at::kCPU).contiguous();
      put(static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::int64_t>(tensor.nbytes()));
    }
    file.finish();
    return digester.result();
  });
}

}  // namespace ingot
