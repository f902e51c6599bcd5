#pragma once
// What the rendezvous and its visitors say to each other. Private to src/dist.
//
//   visitor   kHello, its nonce
//   place     its nonce
//   visitor   HMAC(secret, "visitor" + both nonces)
//   place     HMAC(secret, "place" + both nonces)
//   then      frames: size (4 bytes, little-endian), HMAC, payload
//
// A frame's HMAC is keyed by HMAC(secret, "session" + both nonces) and covers its direction, its number and its
// payload, so that nothing can be made up, changed, left out, repeated or taken from another connection. Nothing is
// encrypted. Before the visitor's proof the place stores 80 bytes of it, and tells it nothing from which a secret could
// be guessed.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"

namespace ingot::dist_detail {

inline constexpr std::string_view kHello = "ingot meeting 1\n";
inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kProofBytes = sizeof(Sha256Digest);
inline constexpr std::size_t kFrameHead = 4 + kProofBytes;
inline constexpr std::size_t kMostFrameBytes = std::size_t{256} << 20;

/// Of the system's generator.
std::string random_bytes(std::size_t count);

/// Of the frame that begins with at least kFrameHead bytes, its head included. Throws FrameError if it is too long.
std::size_t frame_size(std::string_view head);

/// What both sides derive from the secret and the two nonces.
struct Handshake {
  Handshake(std::string_view secret, std::string_view visitor_nonce, std::string_view place_nonce);
  Sha256Digest visitor_proof, place_proof, session;
};

/// A frame that is not what the other side sent.
class FrameError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Direction : char { kToPlace = '>', kToVisitor = '<' };

/// Seals and opens the frames of one direction of a connection, in order.
class FrameSeal {
 public:
  FrameSeal() = default;
  FrameSeal(const Sha256Digest& session, Direction direction) : session_(session), direction_(direction) {}

  /// The frame of a payload.
  std::string seal(std::string_view payload);
  /// Takes the payload of a whole frame off the front of `bytes`; false if it is not whole yet. Throws FrameError.
  bool open(std::string& bytes, std::string& payload);

 private:
  Sha256Digest next_proof(std::string_view payload);
  Sha256Digest session_{};
  Direction direction_ = Direction::kToPlace;
  std::uint64_t number_ = 0;
};

/// What a visitor may ask. In each: the words that follow, and those of the answer.
enum class StoreRequest : char {
  kSet = 's',         // key value:  -
  kCompareSet = 'c',  // key expected wanted:  what the key holds afterwards; "" expects that it holds nothing
  kLook = 'l',        // keys:  of each "=" and its value, or ""
  kAdd = 'a',         // key number:  the sum
  kRemove = 'd',      // key:  "1" if it was there, else "0"
  kCount = 'n',       // -:  the number of keys
};

using Words = std::vector<std::string>;

/// Each with its size before it.
std::string pack(const Words& words);
/// Throws FrameError.
Words unpack(std::string_view bytes);

}  // namespace ingot::dist_detail
