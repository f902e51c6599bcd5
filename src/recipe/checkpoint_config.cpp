#include "recipe/checkpoint_config.h"

#include "config/fields.h"

namespace ingot {

void describe(Fields& f, CheckpointConfig& c) {
  f.field("every", c.every, "how often the run is saved; the last step always is", Rule{}.above(0).free());
  f.field("keep_last", c.keep_last, "how many of the newest checkpoints stay", Rule{}.at_least(1).free());
  f.field("keep_every", c.keep_every, "of each stretch of this length one checkpoint stays for good",
          Rule{}.above(0).free());
  f.field("async", c.async, "write in the background, from a copy in memory", Rule{}.free());
  f.field("best", c.best, "evaluation set whose lowest loss so far marks a checkpoint that stays", Rule{}.free());
}

}  // namespace ingot
