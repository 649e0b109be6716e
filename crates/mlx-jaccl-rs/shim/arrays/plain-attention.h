// Attention from single operations, for what MLX's fused one does not have or does slowly.
#pragma once
#include <optional>

#include "mlx/array.h"
#include "mlx/stream.h"

namespace mj {

// q [B, Hq, T, D]; k and v [B, Hk, L, D]; mask bool, broadcast to [B, 1, T, L], none: every key is seen;
// softcap 0: none; sinks [Hq]. Gives [B, Hq, T, D]. The softmax is f32; so are the scores with a cap or sinks.
mlx::core::array attend_plainly(const mlx::core::array& q, const mlx::core::array& k, const mlx::core::array& v,
                                const std::optional<mlx::core::array>& mask, float scale, float softcap,
                                const std::optional<mlx::core::array>& sinks, mlx::core::Stream);

}  // namespace mj
