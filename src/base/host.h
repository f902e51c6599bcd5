#pragma once
// Names that tell machines, containers and starts apart.

#include <string>

namespace ingot {

std::string host_name();
/// Of the machine's current start; "" where the system does not say.
std::string boot_id();
/// This process's namespace of a kind ("pid", "net"): two containers of one machine differ. "" where there is none.
std::string namespace_id(const std::string& kind);
/// Environment variable with the secret that the ranks of a job share. Its value is never written anywhere.
inline constexpr const char* kSecretVariable = "INGOT_SECRET";
/// 32 random hex digits.
std::string random_hex();

}  // namespace ingot
