#pragma once
// What the program offers, by family.

namespace ingot {

class Families;

/// Every family of the program, filled.
Families make_families();

}  // namespace ingot
