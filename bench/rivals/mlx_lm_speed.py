"""Speed of mlx-lm on one model, a measurement a line: reads {"prompt": n, "generate": n, "seed": n} from stdin and
answers tokens a second and CPU milliseconds a token on stdout, so that another program can take turns with it.
Prefill counts until the first token is there, decode from there on, as mlx-lm itself defines them.

usage: python mlx_lm_speed.py FOLDER
"""

import json
import random
import sys
import time

import mlx.core as mx
import mlx_lm
from mlx_lm.generate import generate_step


def measure(model, vocabulary, prompt, generate, seed):
    numbers = random.Random(seed)
    ids = mx.array([numbers.randrange(100, vocabulary - 100) for _ in range(prompt)])
    start, start_cpu = time.perf_counter(), time.process_time()
    first = first_cpu = None
    count = 0
    # No end-of-turn check: the lengths are the same for everyone.
    for _ in generate_step(ids, model, max_tokens=generate, sampler=lambda logits: mx.argmax(logits, axis=-1)):
        count += 1
        if first is None:
            first, first_cpu = time.perf_counter(), time.process_time()
    end, end_cpu = time.perf_counter(), time.process_time()
    rest = count - 1
    return {
        "prefill_tps": prompt / (first - start),
        "prefill_cpu_ms": (first_cpu - start_cpu) / prompt * 1000,
        "decode_tps": rest / (end - first) if rest > 0 else None,
        "decode_cpu_ms": (end_cpu - first_cpu) / rest * 1000 if rest > 0 else None,
    }


def main():
    model, tokenizer = mlx_lm.load(sys.argv[1])
    vocabulary = len(tokenizer.get_vocab())
    measure(model, vocabulary, 8, 3, 0)
    print(json.dumps({"mlx_lm": mlx_lm.__version__, "mlx": mx.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(model, vocabulary, **json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
