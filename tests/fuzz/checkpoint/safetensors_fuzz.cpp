// Tensor files: the length of the header is put right half of the time, so that its text gets read.

#include <cstring>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_header.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

std::string file_of(const std::vector<safetensors::HeaderItem>& items, const TensorMetadata& metadata,
                    std::size_t data_bytes) {
  return safetensors::make_header(items, metadata) + std::string(data_bytes, '\1');
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {file_of({{"a.weight", at::kFloat, {2, 3}}, {"b", at::kBFloat16, {3}}, {"c", at::kByte, {}}},
                  {{"format", "pt"}}, 31),
          file_of({{"empty", at::kFloat, {0, 4}}}, {}, 0), file_of({}, {}, 0)};
}

std::vector<std::string> fuzz::words() {
  return {"[",         "{\"a\":", "\"shape\":[", "\"dtype\":\"F64\"", "\"__metadata__\":{", "18446744073709551615",
          "4294967296"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  std::string bytes = fuzz::text_of(data, size);
  if (const std::size_t end = bytes.rfind('}');
      size % 2 == 0 && end != bytes.npos && end >= safetensors::kLengthBytes) {
    const std::uint64_t length = end + 1 - safetensors::kLengthBytes;
    std::memcpy(bytes.data(), &length, sizeof length);
  }
  const fs::path path = fuzz::write("input.safetensors", bytes);
  fuzz::accepts(ExitCode::kCheckpoint, [&] {
    const SafetensorsFile file(path);
    for (const auto& [name, tensor] : file.tensors()) {
      // Touches every byte that the entry claims.
      std::string copy(static_cast<std::size_t>(tensor.nbytes()), '\0');
      if (!copy.empty()) std::memcpy(copy.data(), tensor.const_data_ptr(), copy.size());
      fuzz::require(file.find(name) != nullptr, "a tensor has an entry");
    }
  });
  return 0;
}
