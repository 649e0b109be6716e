// What differs between the machines the shim runs on.
#pragma once
#include <string>

#include "mlx/backend/cuda/cuda.h"
#include "mlx/backend/metal/metal.h"

namespace mj {

// The GPU half of the MLX that is loaded, or "cpu".
inline const char* mlx_backend() {
  if (mlx::core::metal::is_available()) return "metal";
  if (mlx::core::cu::is_available()) return "cuda";
  return "cpu";
}

}  // namespace mj
