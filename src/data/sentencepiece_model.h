#pragma once
// The file of a sentencepiece model, looked at before the library loads it.

#include <string>
#include <string_view>

namespace ingot {

/// The library follows the map of a model's normaliser without looking at its bounds: a damaged one leads it out of its
/// memory. Throws DataError with `name` (a file) for a map that could, or for bytes that are no protocol buffer.
void check_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace ingot
