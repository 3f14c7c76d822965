"""A llama GGUF of 300 kilobytes with random weights: `python tests/tiny_model.py OUT.gguf [--seed N]`.

Small, and all parts real: grouped-query attention (so that the k rows are permuted by other heads than the q
rows), a byte-level BPE vocabulary that can write every byte, ChatML with control tokens, tied embeddings,
2048 tokens context. The same seed gives the same bytes. The TypeScript tests use it too.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, LlamaFileType, TokenType

EMBEDDING, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 64, 3, 4, 2, 128, 2048
HEAD = EMBEDDING // HEADS
MERGES = 220
CONTROL_TOKENS = ["<|begin|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# What the merges are learned from: enough that common English takes a third of a token a byte.
TEXT = """
You are a helpful assistant. Answer with one of the labels. Classify the message of a customer of a bank and
answer with the label only. The message is about a card that was lost, a transfer that is late, a balance, an
account, a delivery, a technical problem, a question about billing. user system assistant label answer
question input output text When will my parcel come? I cannot log in to my account. Why was I charged twice
for this order? Please send me the statement of the last month. The app does not open any more since the
update. How do I change the address of delivery?
"""


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}
    return [letters[byte] for byte in range(256)]


def learn_merges(text: str, count: int) -> list[tuple[str, str]]:
    """Byte-pair encoding: joins the most frequent neighbours, over and over; ties to the first seen."""
    letters = byte_alphabet()
    words = [[letters[byte] for byte in f" {word}".encode()] for word in text.split()]
    merges = []
    for _ in range(count):
        pairs: dict[tuple[str, str], int] = {}
        for word in words:
            for pair in itertools.pairwise(word):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = max(pairs, key=pairs.get)
        merges.append(best)
        words = [join(word, best) for word in words]
    return merges


def join(word: list[str], pair: tuple[str, str]) -> list[str]:
    joined, at = [], 0
    while at < len(word):
        is_pair = tuple(word[at : at + 2]) == pair
        joined.append("".join(pair) if is_pair else word[at])
        at += 2 if is_pair else 1
    return joined


def random_weights(seed: int, feed_forward: int = FEED_FORWARD) -> dict[str, np.ndarray]:
    """Tensors by GGUF name, in torch's shapes (out, in), q and k already in llama.cpp's row order.

    The blocks write about as much into the residual stream as the embeddings do, so that an answer depends on
    the whole prompt and not on its last token alone.
    """
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int, gain: float) -> np.ndarray:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(gain / columns**0.5)

    vocabulary = 256 + MERGES + len(CONTROL_TOKENS)
    ones = np.ones(EMBEDDING, np.float32)
    tensors = {"token_embd.weight": matrix(vocabulary, EMBEDDING, 2.0)}
    for layer in range(LAYERS):
        block = {
            "attn_norm": ones,
            "attn_q": matrix(HEADS * HEAD, EMBEDDING, 1.5),
            "attn_k": matrix(KV_HEADS * HEAD, EMBEDDING, 1.5),
            "attn_v": matrix(KV_HEADS * HEAD, EMBEDDING, 1.0),
            "attn_output": matrix(EMBEDDING, HEADS * HEAD, 1.0),
            "ffn_norm": ones,
            "ffn_gate": matrix(feed_forward, EMBEDDING, 1.0),
            "ffn_up": matrix(feed_forward, EMBEDDING, 1.0),
            "ffn_down": matrix(EMBEDDING, feed_forward, 1.0),
        }
        tensors |= {f"blk.{layer}.{name}.weight": tensor for name, tensor in block.items()}
    return tensors | {"output_norm.weight": ones}


def write_tiny_model(
    path: Path,
    *,
    seed: int = 0,
    architecture: str = "llama",
    extra_metadata: dict[str, float | int | str] | None = None,
    extra_tensors: dict[str, np.ndarray] | None = None,
    weights: dict[str, np.ndarray] | None = None,
    chat_template: str = CHAT_TEMPLATE,
    feed_forward: int = FEED_FORWARD,
) -> dict[str, np.ndarray]:
    """Writes the model (matrices as F16, the rest as F32) and returns its tensors as they were written."""
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    for name, value in (extra_metadata or {}).items():
        {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)](name, value)
        if name == "general.alignment":
            writer.data_alignment = value
    add_tokenizer(writer, chat_template)

    tensors = (weights or random_weights(seed, feed_forward)) | (extra_tensors or {})
    stored = {name: as_stored(tensor) for name, tensor in tensors.items()}
    for name, tensor in stored.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


def as_stored(tensor: np.ndarray) -> np.ndarray:
    return tensor.astype(np.float16) if tensor.ndim > 1 else tensor


def add_tokenizer(writer: GGUFWriter, chat_template: str) -> None:
    merges = learn_merges(TEXT, MERGES)
    plain = byte_alphabet() + ["".join(pair) for pair in merges]
    tokens = CONTROL_TOKENS + plain
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * len(CONTROL_TOKENS) + [TokenType.NORMAL] * len(plain))
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(CONTROL_TOKENS.index("<|begin|>"))
    writer.add_eos_token_id(CONTROL_TOKENS.index("<|im_end|>"))
    writer.add_pad_token_id(CONTROL_TOKENS.index("<|pad|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chat-template", default=CHAT_TEMPLATE)
    parser.add_argument("--feed-forward", type=int, default=FEED_FORWARD)
    options = parser.parse_args()
    write_tiny_model(
        options.out,
        seed=options.seed,
        chat_template=options.chat_template,
        feed_forward=options.feed_forward,
    )
