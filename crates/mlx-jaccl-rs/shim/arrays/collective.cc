#include "collective.h"

#include <cstring>
#include <stdexcept>

#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/ops.h"
#include "mlx/primitives.h"

namespace mj {

namespace {

class Collective final : public mx::Primitive {
 public:
  Collective(mx::Stream stream, std::shared_ptr<Group> group, bool gathers, OutcomePtr outcome)
      : Primitive(stream), group_(std::move(group)), gathers_(gathers), outcome_(std::move(outcome)) {}
  const char* name() const override { return "Collective"; }

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    const mx::array& x = inputs[0];
    if (!x.flags().row_contiguous) throw std::runtime_error("Collective: the operand is not contiguous");
    mx::array& out = outputs[0];
    out.set_data(mx::allocator::malloc(out.nbytes()));
    const int rows = x.shape(0), width = x.shape(1);
    mx::cpu::get_command_encoder(stream()).dispatch([group = group_, outcome = outcome_, gathers = gathers_, rows, width,
                                                     from = x.data<float>(), to = out.data<float>(),
                                                     bytes = out.nbytes()] {
      // An exception here would reach whoever waits first, and only him.
      try {
        if (outcome->error.empty()) {
          if (gathers) group->all_gather(from, rows, width, to);
          else group->all_sum(from, static_cast<size_t>(rows) * width, to);
          return;
        }
      } catch (const std::exception& e) {
        outcome->error = *e.what() ? e.what() : "a collective failed";
      }
      std::memset(to, 0, bytes);
    });
  }
  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("Collective runs on a CPU stream");
  }

 private:
  std::shared_ptr<Group> group_;
  bool gathers_;
  OutcomePtr outcome_;
};

}  // namespace

mx::array CollectiveChain::add(const mx::array& x, bool gathers, mx::Stream s) {
  const mx::array operand = mx::contiguous(mx::astype(x, mx::float32, s), false, s);
  std::vector<mx::array> inputs = {operand};
  if (last_) inputs.push_back(*last_);
  const int width = gathers ? x.shape(1) * group_->size() : x.shape(1);
  last_ = mx::array(mx::Shape{x.shape(0), width}, mx::float32,
                    std::make_shared<Collective>(cpu_, group_, gathers, outcome_), std::move(inputs));
  return mx::astype(*last_, x.dtype(), s);
}
mx::array CollectiveChain::sum(const mx::array& x, mx::Stream s) { return group_->size() == 1 ? x : add(x, false, s); }
mx::array CollectiveChain::gather(const mx::array& x, mx::Stream s) {
  return group_->size() == 1 ? x : add(x, true, s);
}

}  // namespace mj
