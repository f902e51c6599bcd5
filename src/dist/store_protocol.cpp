#include "dist/store_protocol.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace ingot::dist_detail {
namespace {

void append_number(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

std::uint32_t read_size(std::string_view bytes) {
  std::uint32_t out = 0;
  for (unsigned i = 0; i < 4; ++i) out |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return out;
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const auto got = ::getrandom(out.data() + done, count - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ExitCode::kOther, cat("the system gives no random numbers: ", std::strerror(errno)));
    done += static_cast<std::size_t>(got);
  }
  return out;
}

std::size_t frame_size(std::string_view head) {
  const std::size_t size = read_size(head);
  if (size > kMostFrameBytes) throw FrameError("a message that is too long");
  return kFrameHead + size;
}

Handshake::Handshake(std::string_view secret, std::string_view visitor_nonce, std::string_view place_nonce) {
  const auto derive = [&](const char* what) { return hmac_sha256(secret, cat(what, visitor_nonce, place_nonce)); };
  visitor_proof = derive("visitor");
  place_proof = derive("place");
  session = derive("session");
}

Sha256Digest FrameSeal::next_proof(std::string_view payload) {
  std::string text(1, static_cast<char>(direction_));
  append_number(text, number_++, 8);
  text += payload;
  return hmac_sha256(bytes_of(session_), text);
}

std::string FrameSeal::seal(std::string_view payload) {
  if (payload.size() > kMostFrameBytes) throw FrameError(cat("a message of ", payload.size(), " bytes is too long"));
  std::string out;
  append_number(out, payload.size(), 4);
  out += bytes_of(next_proof(payload));
  out += payload;
  return out;
}

bool FrameSeal::open(std::string& bytes, std::string& payload) {
  if (bytes.size() < kFrameHead) return false;
  const auto size = frame_size(bytes);
  if (bytes.size() < size) return false;
  payload = bytes.substr(kFrameHead, size - kFrameHead);
  Sha256Digest proof{};
  std::memcpy(proof.data(), bytes.data() + 4, kProofBytes);
  if (!equal_digests(proof, next_proof(payload))) throw FrameError("a message that was changed on its way");
  bytes.erase(0, size);
  return true;
}

std::string pack(const Words& words) {
  std::string out;
  for (const auto& word : words) {
    if (word.size() > kMostFrameBytes) throw FrameError(cat("a message of ", word.size(), " bytes is too long"));
    append_number(out, word.size(), 4);
    out += word;
  }
  return out;
}

Words unpack(std::string_view bytes) {
  Words out;
  while (!bytes.empty()) {
    if (bytes.size() < 4 || bytes.size() - 4 < read_size(bytes)) throw FrameError("a message that makes no sense");
    const std::size_t size = read_size(bytes);
    out.emplace_back(bytes.substr(4, size));
    bytes.remove_prefix(4 + size);
  }
  return out;
}

}  // namespace ingot::dist_detail
