#include "model/language_model.h"

#include <ATen/core/TensorBody.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cummax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "model/model_impl.h"
#include "ops/embedding/embedding.h"
#include "ops/recompute/recompute.h"

namespace ingot {

namespace {

/// Positions within documents, counted from `prefix`: position[b,t] = prefix + t - start of the document of (b,t).
at::Tensor document_positions(const at::Tensor& documents, std::int64_t prefix) {
  const auto rows = documents.size(0);
  const auto length = documents.size(1);
  const auto index = at::arange(length, documents.options()).expand({rows, length});
  auto begins = at::zeros_like(documents, documents.options().dtype(at::kBool));
  begins.select(1, 0).fill_(true);
  if (length > 1) begins.slice(1, 1).copy_(documents.slice(1, 1).ne(documents.slice(1, 0, length - 1)));
  const auto start = std::get<0>(at::cummax(at::where(begins, index, at::zeros_like(index)), 1));
  return index.sub(start).add(prefix);
}

}  // namespace

void LanguageModel::Impl::check_length(std::int64_t length) const {
  const auto longest = max_document_length();
  const auto tokens = length - meta_tokens();
  if (!longest || tokens <= *longest) return;
  throw ConfigError(cat("a document of ", tokens, " tokens, expected at most ", *longest,
                        ": the model has learned no more positions"));
}

std::optional<std::int64_t> LanguageModel::Impl::max_document_length() const {
  const auto longest = position ? position->max_length() : std::nullopt;
  if (!longest) return std::nullopt;
  return *longest - meta_tokens();
}

SequenceContext LanguageModel::Impl::context(std::int64_t rows, std::int64_t length, std::int64_t first_position,
                                             const at::Tensor& documents) const {
  SequenceContext context;
  context.batch = rows;
  context.seq_len = length;
  context.pass.point = point;
  context.prefix = meta_tokens();
  context.channel = std::make_shared<Channel>();
  if (documents.defined()) {
    context.may_reset = true;
    context.document = documents;
    context.position = document_positions(documents, meta_tokens());
  } else {
    check_length(first_position + length);
    const auto index = at::arange(first_position, first_position + length,
                                  at::TensorOptions().dtype(at::kLong).device(store.options().device));
    context.position = index.unsqueeze(0).expand({rows, length});
  }
  return context;
}

SequenceContext LanguageModel::Impl::training_context(const at::Tensor& tokens, const at::Tensor& documents,
                                                      const TrainingPass& training) const {
  auto context = this->context(tokens.size(0), tokens.size(1), meta_tokens(), documents);
  context.pass.training = true;
  context.pass.samples = training.samples;
  context.is_batch = true;
  context.losses = training.losses;
  return context;
}

SequenceContext LanguageModel::Impl::prefix_context(const Pass& pass) const {
  auto context = this->context(1, meta_tokens(), 0, {});
  context.prefix = 0;
  context.pass = pass;
  if (pass.samples.defined()) context.pass.samples = at::full({1}, -1, pass.samples.options());
  return context;
}

at::Tensor LanguageModel::Impl::token_rows(const at::Tensor& tokens) const {
  const auto x = ops::embedding(tokens, embedding.weight(), embedding.grad()).to(options.stream_dtype);
  return config.embedding_factor == EmbeddingFactor::kSqrtDModel ? x * sqrt_d_model() : x;
}

at::Tensor LanguageModel::Impl::embed(const at::Tensor& tokens, const SequenceContext& context) const {
  return finish_embedding(token_rows(tokens), 0, context);
}

at::Tensor LanguageModel::Impl::finish_embedding(at::Tensor x, std::int64_t meta_rows,
                                                 const SequenceContext& context) const {
  if (position) x = position->embed(x, context);
  if (embedding_scale && meta_rows < x.size(1)) {
    const auto scaled = x.slice(1, meta_rows) * embedding_scale.compute().to(x.scalar_type());
    x = meta_rows == 0 ? scaled : at::cat({x.slice(1, 0, meta_rows), scaled}, 1);
  }
  if (embedding_norm) x = embedding_norm->forward(x, {{}, &context, {}});
  return x;
}

NormInput LanguageModel::Impl::before_products(const SequenceContext& context) const {
  return {{}, &context, store.options().compute_dtype};
}

template <class Operator>
at::Tensor LanguageModel::Impl::with_norms(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                                           const Operator& compute) const {
  auto input = layer.input_norm ? layer.input_norm->forward(x, before_products(context)) : x;
  if (layer.input_scale != 1) input = input * layer.input_scale;
  const auto y = compute(input);
  return layer.output_norm ? layer.output_norm->forward(y, {{}, &context, {}}) : y;
}

at::Tensor LanguageModel::Impl::parallel_branch(const SubLayer& layer, const at::Tensor& x,
                                                const SequenceContext& context, const StateFlow& states) const {
  return with_norms(layer, x, context, [&](const at::Tensor& input) {
    return layer.mixer ? layer.mixer->forward(input, context, states) : layer.ffn->forward(input, context);
  });
}

at::Tensor LanguageModel::Impl::recomputed_branch(const SubLayer& layer, const at::Tensor& x,
                                                  const SequenceContext& context, const MixerState* fresh) const {
  std::vector<at::Tensor> inputs{x};
  if (fresh != nullptr) inputs.insert(inputs.end(), fresh->tensors.begin(), fresh->tensors.end());
  const auto length = fresh != nullptr ? fresh->length : 0;
  const auto first_read = static_cast<std::ptrdiff_t>(inputs.size());
  const auto read = channel->read_by(layer.depth), left = channel->left_by(layer.depth);
  for (const auto& name : read) inputs.push_back(context.channel->get(name));
  // The channel holds what this piece leaves: kept by it, neither would ever be freed.
  auto bare = context;
  bare.channel = nullptr;
  const ops::WidePiece piece = [this, &layer, bare, length, first_read, read, left](const std::vector<at::Tensor>& in) {
    const MixerState state{{in.begin() + 1, in.begin() + first_read}, length};
    StateFlow states;
    if (!state.empty()) states.fresh = &state;
    auto inner = bare;
    inner.channel = std::make_shared<Channel>();
    auto value = in.begin() + first_read;
    for (const auto& name : read) inner.channel->put(name, *value++);
    std::vector<at::Tensor> out{parallel_branch(layer, in[0], inner, states)};
    for (const auto& name : left) out.push_back(inner.channel->get(name));
    return out;
  };
  const auto out = ops::recomputed(piece, inputs);
  for (std::size_t i = 0; i < left.size(); ++i) context.channel->put(left[i], out[i + 1]);
  return out[0];
}

at::Tensor LanguageModel::Impl::step_branch(const SubLayer& layer, const at::Tensor& x, const SequenceContext& context,
                                            MixerState& state) const {
  return with_norms(layer, x, context, [&](const at::Tensor& input) {
    return layer.mixer ? layer.mixer->step(input, context, state) : layer.ffn->forward(input, context);
  });
}

Stream LanguageModel::Impl::begin(const at::Tensor& x) const {
  const auto& depths = options.depths;
  return depths && !depths->empty() ? residual->begin_at(depths->front(), x) : residual->begin(x);
}

Stream LanguageModel::Impl::sublayer(std::size_t index, const Stream& stream, const SequenceContext& context,
                                     const Branch& branch) const {
  const auto& layer = layers[index];
  RECORD_USER_SCOPE(layer.op);  // for profilers; nothing where none listens
  const auto& norm = layer.stream_norm;
  const int depth = layer.depth;
  auto next = residual->join(depth, stream, branch(residual->read(depth, stream)), context.pass);
  if (!norm) return next;
  return residual->map(std::move(next), [&](const at::Tensor& t) { return norm->forward(t, {{}, &context, {}}); });
}

at::Tensor LanguageModel::Impl::finish(const Stream& stream, const SequenceContext& context) const {
  const auto hidden = residual->finish(
      stream, [&](const at::Tensor& x) { return final_norm ? final_norm->forward(x, before_products(context)) : x; });
  return options.logits_factor == 1 ? hidden : hidden * options.logits_factor;
}

/// The prefix and the rows go through the layers side by side: what the prefix leaves in a mixer is the fresh state
/// of the rows in the same mixer.
at::Tensor LanguageModel::Impl::run(const at::Tensor& x, const SequenceContext& context, const Prefix* given,
                                    const std::vector<MixerState>* incoming, std::vector<MixerState>* final,
                                    const Watch* watch) const {
  const bool has_prefix = meta_tokens() > 0 && given == nullptr;
  SequenceContext prefix_context;
  Stream prefix_stream;
  if (has_prefix) {
    prefix_context = this->prefix_context(context.pass);
    prefix_stream = begin(embed_meta(prefix_context));
  }
  auto stream = begin(x);
  if (watch != nullptr) watch->stream(nullptr, stream);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    MixerState fresh;
    if (has_prefix) {
      StateFlow flow;
      flow.final = &fresh;
      prefix_stream = sublayer(i, prefix_stream, prefix_context, [&](const at::Tensor& input) {
        return parallel_branch(layer, input, prefix_context, flow);
      });
    }
    StateFlow flow;
    if (given != nullptr && !given->layers[i].empty()) flow.fresh = &given->layers[i];
    if (has_prefix && !fresh.empty()) flow.fresh = &fresh;
    if (incoming != nullptr && !(*incoming)[i].empty()) flow.incoming = &(*incoming)[i];
    if (final != nullptr && layer.mixer) flow.final = &(*final)[i];
    const bool recompute = layer.recompute == Recompute::kFull && flow.incoming == nullptr && flow.final == nullptr;
    stream = sublayer(i, stream, context, [&](const at::Tensor& input) {
      auto branch = recompute ? recomputed_branch(layer, input, context, flow.fresh)
                              : parallel_branch(layer, input, context, flow);
      if (watch != nullptr) watch->branch(layer, branch);
      return branch;
    });
    if (watch != nullptr) watch->stream(&layer, stream);
  }
  return finish(stream, context);
}

at::Tensor LanguageModel::Impl::embed_meta(const SequenceContext& context) const {
  return finish_embedding(meta.compute().to(options.stream_dtype).unsqueeze(0), meta_tokens(), context);
}

LanguageModel::Impl::Prefix LanguageModel::Impl::run_prefix() const {
  Prefix prefix;
  prefix.layers.resize(layers.size());
  if (meta_tokens() == 0) return prefix;
  const auto ctx = prefix_context({point, false, {}});
  const Prefix none{std::vector<MixerState>(layers.size())};
  run(embed_meta(ctx), ctx, &none, nullptr, &prefix.layers);
  return prefix;
}

LanguageModel::~LanguageModel() = default;

at::Tensor LanguageModel::forward(const at::Tensor& tokens, const at::Tensor& documents, bool training) const {
  if (training) return forward(tokens, documents, TrainingPass{});
  const auto context = impl_->context(tokens.size(0), tokens.size(1), impl_->meta_tokens(), documents);
  return impl_->run(impl_->embed(tokens, context), context, nullptr, nullptr, nullptr);
}

at::Tensor LanguageModel::forward(const at::Tensor& tokens, const at::Tensor& documents,
                                  const TrainingPass& training) const {
  const auto context = impl_->training_context(tokens, documents, training);
  return impl_->run(impl_->embed(tokens, context), context, nullptr, nullptr, nullptr);
}

void LanguageModel::set_point(const RunPoint& point) { impl_->point = point; }

const RunPoint& LanguageModel::point() const { return impl_->point; }

void LanguageModel::observe(const at::Tensor& tokens, const at::Tensor& documents,
                            const std::function<void(const Activation&)>& see) const {
  using Place = Activation::Place;
  const c10::AutoGradMode no_grad(false);
  const auto context = impl_->context(tokens.size(0), tokens.size(1), impl_->meta_tokens(), documents);
  Impl::Watch watch;
  watch.stream = [&](const Impl::SubLayer* layer, const Stream& stream) {
    const at::Tensor value = impl_->residual->end(stream);
    if (layer == nullptr) {
      see({Place::kEmbedding, -1, "", value});
    } else {
      see({Place::kStream, layer->depth, layer->op, value});
    }
  };
  watch.branch = [&](const Impl::SubLayer& layer, const at::Tensor& branch) {
    see({Place::kBranch, layer.depth, layer.op, branch});
  };
  see({Place::kHidden, -1, "", impl_->run(impl_->embed(tokens, context), context, nullptr, nullptr, nullptr, &watch)});
}

std::vector<double> LanguageModel::stream_mean_squares(const at::Tensor& tokens, const at::Tensor& documents) const {
  std::vector<double> out;
  observe(tokens, documents, [&](const Activation& seen) {
    using Place = Activation::Place;
    if (seen.place != Place::kEmbedding && seen.place != Place::kStream) return;
    out.push_back(seen.value.to(at::kDouble).square().mean().item<double>());
  });
  return out;
}

at::Tensor LanguageModel::forward_concatenated(const at::Tensor& tokens) const {
  const auto rows = tokens.size(0);
  const auto prefix = impl_->meta_tokens();
  auto context = impl_->context(rows, prefix + tokens.size(1), 0, {});
  context.prefix = 0;
  auto x = impl_->token_rows(tokens);
  if (prefix > 0) {
    const auto meta = impl_->meta.compute().to(x.scalar_type());
    x = at::cat({meta.unsqueeze(0).expand({rows, prefix, x.size(2)}), x}, 1);
  }
  const Impl::Prefix none{std::vector<MixerState>(impl_->layers.size())};
  return impl_->run(impl_->finish_embedding(x, prefix, context), context, &none, nullptr, nullptr).slice(1, prefix);
}

std::optional<std::int64_t> LanguageModel::max_document_length() const { return impl_->max_document_length(); }

void LanguageModel::check_document_length(std::int64_t tokens) const {
  impl_->check_length(impl_->meta_tokens() + tokens);
}

at::Device LanguageModel::device() const { return impl_->store.options().device; }

HeadWeights LanguageModel::head() const {
  HeadWeights out = {impl_->head ? impl_->head : impl_->embedding, impl_->options.vocab_size,
                     impl_->config.normalise_head};
  out.scale = impl_->logit_scale;
  out.scale_factor = impl_->sqrt_d_model();
  return out;
}

DecodeState LanguageModel::begin_decode(std::int64_t batch) const {
  c10::NoGradGuard no_grad;
  const auto prefix = impl_->run_prefix();
  DecodeState state;
  state.batch = batch;
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    const auto* mixer = impl_->layers[i].mixer.get();
    if (mixer == nullptr) {
      state.layers.emplace_back();
    } else if (prefix.layers[i].empty()) {
      state.layers.push_back(mixer->make_state(batch));
    } else {
      state.layers.push_back(mixer->expand_state(prefix.layers[i], batch));
    }
  }
  return state;
}

at::Tensor LanguageModel::prefill(const at::Tensor& tokens, DecodeState& state) const {
  c10::NoGradGuard no_grad;
  const auto length = tokens.size(1);
  const auto context = impl_->context(tokens.size(0), length, impl_->meta_tokens() + state.length, {});
  std::vector<MixerState> final(impl_->layers.size());
  const Impl::Prefix none{std::vector<MixerState>(impl_->layers.size())};
  const auto hidden = impl_->run(impl_->embed(tokens, context), context, &none, &state.layers, &final);
  state.layers = std::move(final);
  state.length += length;
  return hidden;
}

at::Tensor LanguageModel::step(const at::Tensor& tokens, DecodeState& state) const {
  c10::NoGradGuard no_grad;
  const auto context = impl_->context(tokens.size(0), 1, impl_->meta_tokens() + state.length, {});
  auto stream = impl_->begin(impl_->embed(tokens, context));
  for (std::size_t i = 0; i < impl_->layers.size(); ++i) {
    stream = impl_->sublayer(i, stream, context, [&](const at::Tensor& x) {
      return impl_->step_branch(impl_->layers[i], x, context, state.layers[i]);
    });
  }
  ++state.length;
  return impl_->finish(stream, context);
}

}  // namespace ingot
