#include "nn/attention_settings.h"

#include "base/text.h"
#include "config/fields.h"
#include "config/limits.h"
#include "nn/bind.h"
#include "nn/heads.h"

namespace ingot::attention {

void describe(Fields& f, Config& c) {
  f.field("num_heads", c.num_heads, "query heads; d_model / head_dim if absent",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("num_kv_heads", c.num_kv_heads, "key and value heads, a divisor of num_heads; num_heads if absent",
          Rule{}.at_least(1).at_most(limits::kWidth));
  f.field("head_dim", c.head_dim, "width of a head; d_model / num_heads if absent",
          Rule{}.at_least(1).at_most(limits::kHead));
  f.field("window", c.window, "a token sees itself and the window - 1 tokens before it; everything if absent",
          Rule{}.at_least(1).at_most(limits::kLength));
  f.field("always_see_prefix", c.always_see_prefix, "whether meta tokens are seen from any distance");
  describe(f, c.query_key);
  f.field("scale", c.scale, "fixed factor of the scores; the score's own if absent, head_dim^-1/2 for dot",
          Rule{}.above(0));
  f.field("head_scale", c.head_scale, "whether each head's output has a learned factor, starting at 1 (NormFormer)");
  f.field("value_residual", c.value_residual,
          "start of a learned share of the first attention's values that is mixed into this one's; absent: none is",
          Rule{}.at_least(0).at_most(1));
}

Sizes::Sizes(const Config& c, std::int64_t d_model) {
  const HeadSizes sizes = head_sizes(c.num_heads, c.head_dim, d_model);
  heads = sizes.heads;
  head_dim = sizes.head_dim;
  kv_heads = c.num_kv_heads.value_or(heads);
}

std::vector<std::pair<std::string, std::string>> validate(const Config& c, std::int64_t d_model) {
  if (auto problems = check_heads(c.num_heads, c.head_dim, d_model); !problems.empty()) return problems;
  const Sizes sizes(c, d_model);
  if (sizes.heads % sizes.kv_heads != 0) {
    return {{"num_kv_heads", cat(sizes.kv_heads, " does not divide num_heads ", sizes.heads)}};
  }
  return {};
}

Config effective(Config c, const SettingsContext& context) {
  const Sizes sizes(c, context.d_model);
  c.num_heads = sizes.heads;
  c.num_kv_heads = sizes.kv_heads;
  c.head_dim = sizes.head_dim;
  c.always_see_prefix = c.always_see_prefix && c.window && context.has_prefix;
  if (!context.has_norm(Site::kQ) && !context.has_norm(Site::kK)) c.query_key.qk_norm = {};
  if (c.query_key.position.name() == "none") c.query_key.qk_norm.after_position = false;
  const Variant<ScoreEntry> score = bound(c.query_key.score, context.families);
  if (c.scale == score.entry().factor(sizes.head_dim)) c.scale.reset();
  if (!context.mixes_values) c.value_residual.reset();
  return c;
}

}  // namespace ingot::attention
