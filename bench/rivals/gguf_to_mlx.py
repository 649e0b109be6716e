"""Turns a llama-family GGUF file into a folder that mlx-lm loads, with the same weights: quantized codes stay as they
are, scales and biases become float32. Needs mlx >= 0.32.4 (older Q4_1 loaders are wrong).

usage: python gguf_to_mlx.py MODEL.gguf FOLDER [--dense]
"""

import argparse
import json
import os

import mlx.core as mx

NAMES = {
    "attn_q.": "self_attn.q_proj.",
    "attn_k.": "self_attn.k_proj.",
    "attn_v.": "self_attn.v_proj.",
    "attn_output.": "self_attn.o_proj.",
    "ffn_gate.": "mlp.gate_proj.",
    "ffn_up.": "mlp.up_proj.",
    "ffn_down.": "mlp.down_proj.",
    "attn_norm.": "input_layernorm.",
    "ffn_norm.": "post_attention_layernorm.",
    "token_embd.": "model.embed_tokens.",
    "output_norm.": "model.norm.",
    "output.": "lm_head.",
    "blk.": "model.layers.",
}


def rename(name):
    for old, new in NAMES.items():
        if old in name and not (old == "output." and "attn_output" in name):
            name = name.replace(old, new)
    return name


def interleaved_to_halves(array, heads):
    """llama.cpp stores the rows of q and k as pairs (0, d/2), (1, d/2 + 1), ...; MLX wants the first halves first."""
    rows = array.shape[0]
    return array.reshape(heads, rows // heads // 2, 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def scalar(value):
    return value.item() if isinstance(value, mx.array) else value


def tokenizer_json(meta):
    tokens, types, merges = (meta["tokenizer.ggml." + key] for key in ("tokens", "token_type", "merges"))
    types = types.tolist() if isinstance(types, mx.array) else types
    digits = {"type": "Digits", "individual_digits": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": tokens[i], "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": types[i] == 3}
            for i in range(len(tokens)) if types[i] in (3, 4)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges},
    }


def convert(gguf, folder, dense):
    weights, meta = mx.load(gguf, return_metadata=True)
    assert scalar(meta["general.architecture"]) == "llama", "only the llama family"
    assert scalar(meta.get("tokenizer.ggml.pre", "smollm")) == "smollm", "only SmolLM's tokenizer"
    number = lambda key: scalar(meta["llama." + key])
    heads, kv_heads = number("attention.head_count"), number("attention.head_count_kv")

    out, quantized = {}, {}
    for name, array in weights.items():
        if ".attn_q." in name or ".attn_k." in name:
            array = interleaved_to_halves(array, heads if ".attn_q." in name else kv_heads)
        out[rename(name)] = array.astype(mx.float32) if array.dtype == mx.float16 else array
    for name in [n for n in out if n.endswith(".scales")]:
        module = name.removesuffix(".scales")
        groups = out[name].shape[-1]
        words = out[module + ".weight"].shape[-1]
        quantized[module] = {"group_size": 32, "bits": words // groups}
    if dense:
        for module, form in quantized.items():
            parts = (out.pop(module + suffix) for suffix in (".weight", ".scales", ".biases"))
            out[module + ".weight"] = mx.dequantize(*parts, **form)
        quantized = {}

    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": number("embedding_length"),
        "num_hidden_layers": number("block_count"), "intermediate_size": number("feed_forward_length"),
        "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"), "rope_theta": number("rope.freq_base"),
        "vocab_size": len(meta["tokenizer.ggml.tokens"]), "max_position_embeddings": number("context_length"),
        "tie_word_embeddings": "lm_head.weight" not in out, "torch_dtype": "float32",
        "bos_token_id": scalar(meta["tokenizer.ggml.bos_token_id"]),
        "eos_token_id": scalar(meta["tokenizer.ggml.eos_token_id"]),
    }
    if quantized:
        config["quantization"] = {"group_size": 32, "bits": 4, **quantized}
    os.makedirs(folder, exist_ok=True)
    mx.save_safetensors(os.path.join(folder, "model.safetensors"), out, {"format": "mlx"})
    tokens = meta["tokenizer.ggml.tokens"]
    special = {"bos_token": tokens[config["bos_token_id"]], "eos_token": tokens[config["eos_token_id"]]}
    files = {
        "config.json": config,
        "tokenizer.json": tokenizer_json(meta),
        "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", **special,
                                  "chat_template": scalar(meta["tokenizer.chat_template"]),
                                  "clean_up_tokenization_spaces": False},
    }
    for file, content in files.items():
        with open(os.path.join(folder, file), "w", encoding="utf-8") as f:
            json.dump(content, f, ensure_ascii=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gguf")
    parser.add_argument("folder")
    parser.add_argument("--dense", action="store_true", help="dequantize to float32")
    arguments = parser.parse_args()
    convert(arguments.gguf, arguments.folder, arguments.dense)
