#include "ops/recompute/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/linear/linear.h"

namespace ingot::ops {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

thread_local int recompute_depth = 0;

class RecomputeGuard {
 public:
  RecomputeGuard() { ++recompute_depth; }
  ~RecomputeGuard() { --recompute_depth; }
  RecomputeGuard(const RecomputeGuard&) = delete;
  RecomputeGuard& operator=(const RecomputeGuard&) = delete;
};

/// Carries a piece through the context of a torch::autograd::Function.
struct PieceHolder : torch::CustomClassHolder {
  explicit PieceHolder(WidePiece f) : piece(std::move(f)) {}
  WidePiece piece;
};

void keep(AutogradContext* context, const WidePiece& piece, at::TensorList inputs) {
  context->save_for_backward(inputs.vec());
  context->saved_data["piece"] = c10::IValue::make_capsule(c10::make_intrusive<PieceHolder>(piece));
}

/// A piece computed again on detached inputs, with what its own backward needs.
struct Rerun {
  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> outputs;
};

Rerun rerun(AutogradContext* context) {
  Rerun again;
  for (const at::Tensor& input : context->get_saved_variables()) {
    again.inputs.push_back(input.detach().set_requires_grad(input.requires_grad()));
  }
  const auto holder = c10::static_intrusive_pointer_cast<PieceHolder>(context->saved_data["piece"].toCapsule());
  const at::AutoGradMode record(true);
  const RecomputeGuard guard;
  again.outputs = holder->piece(again.inputs);
  return again;
}

/// The gradients of `again.inputs` from those of its outputs, behind an undefined one for each argument before them.
variable_list input_gradients(Rerun again, const variable_list& of_outputs, std::size_t arguments_before) {
  variable_list roots, root_gradients;
  for (std::size_t i = 0; i < again.outputs.size(); ++i) {
    if (!of_outputs[i].defined() || !again.outputs[i].requires_grad()) continue;
    roots.push_back(again.outputs[i]);
    root_gradients.push_back(of_outputs[i]);
  }
  if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
  variable_list gradients(arguments_before);
  for (const at::Tensor& input : again.inputs) gradients.push_back(input.grad());
  return gradients;
}

struct RecomputedFunction : torch::autograd::Function<RecomputedFunction> {
  static variable_list forward(AutogradContext* context, const WidePiece& piece, at::TensorList inputs) {
    keep(context, piece, inputs);
    context->set_materialize_grads(false);
    return piece(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return input_gradients(rerun(context), gradients, /*arguments_before=*/1);
  }
};

struct RecomputedLinearFunction : torch::autograd::Function<RecomputedLinearFunction> {
  static at::Tensor forward(AutogradContext* context, const WidePiece& piece, const at::Tensor& weight,
                            const at::Tensor& weight_grad, at::TensorList inputs) {
    keep(context, piece, inputs);
    context->saved_data["weight"] = weight;
    context->saved_data["weight_grad"] = weight_grad;
    return linear(piece(inputs.vec())[0], weight, weight_grad);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    Rerun again = rerun(context);
    const at::Tensor gradient =
        linear_backward(gradients[0], again.outputs[0].detach(), context->saved_data["weight"].toTensor(),
                        context->saved_data["weight_grad"].toTensor());
    return input_gradients(std::move(again), {gradient}, /*arguments_before=*/3);
  }
};

/// A call with the undefined inputs left out: autograd takes defined tensors only.
struct DenseCall {
  WidePiece piece;
  std::vector<at::Tensor> inputs;
};

DenseCall leave_out_undefined(const WidePiece& piece, const std::vector<at::Tensor>& inputs) {
  DenseCall call;
  std::vector<bool> present;
  for (const at::Tensor& input : inputs) {
    present.push_back(input.defined());
    if (input.defined()) call.inputs.push_back(input);
  }
  if (call.inputs.size() == inputs.size()) {
    call.piece = piece;
    return call;
  }
  call.piece = [piece, present](const std::vector<at::Tensor>& dense) {
    std::vector<at::Tensor> all(present.size());
    std::size_t next = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (present[i]) all[i] = dense[next++];
    }
    return piece(all);
  };
  return call;
}

WidePiece widened(const Piece& piece) {
  return [piece](const std::vector<at::Tensor>& inputs) { return std::vector<at::Tensor>{piece(inputs)}; };
}

}  // namespace

bool recomputing() { return recompute_depth > 0; }

at::Tensor recomputed(const Piece& piece, const std::vector<at::Tensor>& inputs) {
  return recomputed(widened(piece), inputs)[0];
}

std::vector<at::Tensor> recomputed(const WidePiece& piece, const std::vector<at::Tensor>& inputs) {
  if (!at::GradMode::is_enabled()) return piece(inputs);
  const DenseCall call = leave_out_undefined(piece, inputs);
  return RecomputedFunction::apply(call.piece, at::TensorList(call.inputs));
}

at::Tensor recomputed_linear(const Piece& piece, const std::vector<at::Tensor>& inputs, const at::Tensor& weight,
                             const at::Tensor& weight_grad) {
  if (!at::GradMode::is_enabled()) return linear(piece(inputs), weight, weight_grad);
  const DenseCall call = leave_out_undefined(widened(piece), inputs);
  return RecomputedLinearFunction::apply(call.piece, weight, weight_grad, at::TensorList(call.inputs));
}

}  // namespace ingot::ops
