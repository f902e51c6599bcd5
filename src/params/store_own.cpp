// ParameterStore: which masters this process stores, and where they lie.

#include <algorithm>
#include <stdexcept>

#include "params/store_impl.h"

namespace ingot {

using params_detail::align_up;
using params_detail::Declared;
using params_detail::kAlignment;
using params_detail::LeafKind;
using params_detail::row_numel;
using params_detail::Stretch;

namespace {

Master part_of(const Master& master, std::int64_t begin, std::int64_t end) {
  Master part = master;
  part.begin = begin;
  part.offset += begin;
  part.numel = end - begin;
  if (part.numel == master.numel) return part;
  const auto row = row_numel(master.shape);
  if (begin % row == 0 && part.numel % row == 0) {
    part.shape[0] = part.numel / row;
  } else {
    part.shape = {part.numel};
  }
  return part;
}

/// Elements that they take, up to the alignment of the next.
std::int64_t stored(const std::vector<Stretch>& stretches) {
  if (stretches.empty()) return 0;
  const Stretch& last = stretches.back();
  return align_up(last.local + last.end - last.begin);
}

/// A stretch that begins within the padding behind the last one continues it.
void add(std::vector<Stretch>& stretches, std::int64_t begin, std::int64_t end) {
  if (begin == end) return;
  if (!stretches.empty() && begin - stretches.back().end < kAlignment) {
    stretches.back().end = std::max(stretches.back().end, end);
    return;
  }
  stretches.push_back({begin, end, stored(stretches)});
}

}  // namespace

std::int64_t params_detail::row_numel(const std::vector<std::int64_t>& shape) { return product(shape) / shape[0]; }

void ParameterStore::own(const std::vector<OwnedRange>& ranges, bool owns_buffers) {
  if (!impl_->laid_out || impl_->allocated) throw std::logic_error("own comes between layout and allocate");
  impl_->owned.clear();
  std::int64_t last = -1;
  for (const auto& range : ranges) {
    const Master& master = impl_->masters.at(range.master);
    const bool is_valid = 0 <= range.begin && range.begin < range.end && range.end <= master.numel;
    if (!is_valid || static_cast<std::int64_t>(range.master) <= last) {
      throw std::logic_error("own: ranges are not in order or not within '" + master.name + "'");
    }
    last = static_cast<std::int64_t>(range.master);
    impl_->owned.push_back(part_of(master, range.begin, range.end));
  }
  std::vector<bool> is_whole(impl_->masters.size(), false), is_touched(impl_->masters.size(), false);
  for (const auto& part : impl_->owned) {
    is_touched[part.index] = true;
    is_whole[part.index] = part.numel == impl_->masters[part.index].numel;
  }
  for (const auto& param : impl_->params) {
    if (param.parametrization->is_identity()) continue;
    const auto all = [&](const std::vector<bool>& flags, bool value) {
      return std::all_of(flags.begin() + param.first_master, flags.begin() + param.first_master + param.num_masters,
                         [value](bool flag) { return flag == value; });
    };
    if (!all(is_whole, true) && !all(is_touched, false)) {
      throw std::logic_error("own: the masters of '" + param.info.name + "' cannot be torn apart");
    }
  }
  impl_->owns_all = false;
  impl_->owns_buffers = owns_buffers;
  impl_->place_owned();
}

bool ParameterStore::owns_all() const { return impl_->owns_all; }
const std::vector<Master>& ParameterStore::owned() const { return impl_->owned; }

void ParameterStore::Impl::place_owned() {
  // In the order of the layout of all: what is owned, and leaves whose weight is the master.
  stretches.clear();
  auto part = owned.begin();
  for (const auto& leaf : leaves) {
    const auto end = masters_end(leaf);
    for (; part != owned.end() && part->offset < end; ++part) {
      if (leaf.kind != LeafKind::kMaster) add(stretches, part->offset, part->offset + part->numel);
    }
    if (leaf.kind == LeafKind::kMaster) add(stretches, leaf.master_offset, end);
  }
  stored_numel = stored(stretches);
  place_casts();
}

/// Where the element at `offset` of the layout of all masters is stored; -1 if it is not.
std::int64_t ParameterStore::Impl::local_offset(std::int64_t offset) const {
  auto after = std::upper_bound(stretches.begin(), stretches.end(), offset,
                                [](std::int64_t value, const Stretch& stretch) { return value < stretch.begin; });
  if (after == stretches.begin()) return -1;
  const auto& stretch = *--after;
  return offset < stretch.end ? stretch.local + offset - stretch.begin : -1;
}

/// Behind a leaf's last master, in the layout of all.
std::int64_t ParameterStore::Impl::masters_end(const params_detail::Leaf& leaf) const {
  const Declared& last = *leaf.parts.back();
  const Master& master = masters[last.first_master + last.num_masters - 1];
  return master.offset + master.numel;
}

void ParameterStore::Impl::place_casts() {
  cast_runs.clear();
  bool run_is_open = false;
  auto part = owned.begin();
  for (const auto& leaf : leaves) {
    if (leaf.kind == LeafKind::kMaterialised) run_is_open = false;
    const auto end = masters_end(leaf);
    for (; part != owned.end() && part->offset < end; ++part) {
      if (leaf.kind != LeafKind::kCast) continue;
      const auto from = local_offset(part->offset);
      const auto to = leaf.weight_offset + part->offset - leaf.master_offset;
      // Distances that are equal in both buffers: nothing in between is left out.
      const bool continues =
          run_is_open && from - cast_runs.back().master_offset == to - cast_runs.back().weight_offset;
      if (!continues) cast_runs.push_back({from, to, 0});
      cast_runs.back().numel = from + part->numel - cast_runs.back().master_offset;
      run_is_open = true;
    }
  }
}

}  // namespace ingot
