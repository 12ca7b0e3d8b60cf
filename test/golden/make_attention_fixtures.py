"""Writes the fixtures of test/layers_attention.spec.ts and test/layers_embedding.spec.ts: layers evaluated by PyTorch in
float64. Each case holds inputs, weights in Keras's order and layouts, labels, and what PyTorch makes of them: the output,
the mean squared error and its gradient by every weight. Masked positions of the output do not count in the error.

    ~/.gradstep-peers/bin/python test/golden/make_attention_fixtures.py
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

random = np.random.default_rng(7)


def numbers(*shape, low=-1.0, high=1.0):
    """Random float32 values, held in float64."""
    drawn = random.uniform(low, high, shape).astype(np.float32)
    return torch.tensor(drawn.astype(np.float64))


def pack(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}


def case(inputs, weights, forward, mask=None):
    """`forward` takes inputs and weights; `mask` [rows, …] says which positions of the output count."""
    for w in weights:
        w.requires_grad_(True)
    output = forward(inputs, weights)
    y = numbers(*output.shape)
    per_position = ((output - y) ** 2).mean(-1)
    loss = per_position.mean() if mask is None else (per_position * mask).sum() / mask.sum()
    gradients = torch.autograd.grad(loss, weights) if weights else []
    return {
        "inputs": [pack(x) for x in inputs],
        "weights": [pack(w) for w in weights],
        "y": pack(y),
        "output": pack(output),
        "loss": loss.item(),
        "gradients": [pack(g) for g in gradients],
    }


def with_masked_steps(x, keep):
    """x with the steps that are left out set to zero; `keep` [rows, time]."""
    return x * keep[..., None]


def seen(rows, queries, keys, keep=None, causal=False):
    """Which keys each query sees: bool [rows, 1, queries, keys]."""
    allowed = torch.ones(rows, 1, queries, keys, dtype=torch.bool)
    if keep is not None:
        allowed &= keep.bool()[:, None, None, :]
    if causal:
        allowed &= torch.ones(queries, keys, dtype=torch.bool).tril()
    return allowed


def multi_head(query, value, key, weights, use_bias, allowed):
    step = 2 if use_bias else 1
    kernels = weights[0::step]
    biases = weights[1::step] if use_bias else [0.0] * 4
    q = torch.einsum("btf,fhd->bhtd", query, kernels[0]) + (biases[0][:, None] if use_bias else 0)
    k = torch.einsum("btf,fhd->bhtd", key, kernels[1]) + (biases[1][:, None] if use_bias else 0)
    v = torch.einsum("btf,fhd->bhtd", value, kernels[2]) + (biases[2][:, None] if use_bias else 0)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
    out = torch.tensordot(y.transpose(1, 2), kernels[3], dims=([2, 3], [0, 1]))
    return out + (biases[3] if use_bias else 0)


def multi_head_weights(query, value, key, heads, key_dim, value_dim, out, use_bias):
    shapes = []
    for kernel, bias in [
        ((query, heads, key_dim), (heads, key_dim)),
        ((key, heads, key_dim), (heads, key_dim)),
        ((value, heads, value_dim), (heads, value_dim)),
        ((heads, value_dim, *out), tuple(out)),
    ]:
        shapes += [kernel, bias] if use_bias else [kernel]
    return [numbers(*s) for s in shapes]


def attention_cases():
    cases = {}
    rows = 3
    x = numbers(rows, 5, 4)
    cases["self"] = case(
        [x],
        multi_head_weights(4, 4, 4, 2, 3, 3, [4], True),
        lambda i, w: multi_head(i[0], i[0], i[0], w, True, seen(rows, 5, 5)),
    )
    cases["causal, no bias, other sizes"] = case(
        [x],
        multi_head_weights(4, 4, 4, 3, 2, 5, [6], False),
        lambda i, w: multi_head(i[0], i[0], i[0], w, False, seen(rows, 5, 5, causal=True)),
    )
    query, value, key = numbers(rows, 5, 4), numbers(rows, 7, 3), numbers(rows, 7, 6)
    cases["query and value"] = case(
        [query, value],
        multi_head_weights(4, 3, 3, 2, 3, 3, [2, 3], True),
        lambda i, w: multi_head(i[0], i[1], i[1], w, True, seen(rows, 5, 7)),
    )
    keep = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1]], dtype=torch.float64)
    cases["query, masked value and key"] = case(
        [query, with_masked_steps(value, keep), key],
        multi_head_weights(4, 3, 6, 2, 3, 4, [4], True),
        lambda i, w: multi_head(i[0], i[1], i[2], w, True, seen(rows, 5, 7, keep)),
    )
    other = torch.tensor([[1, 1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 1]], dtype=torch.float64)
    cases["masked value and masked key"] = case(
        [query, with_masked_steps(value, keep), with_masked_steps(key, other)],
        multi_head_weights(4, 3, 6, 2, 3, 4, [4], True),
        lambda i, w: multi_head(i[0], i[1], i[2], w, True, seen(rows, 5, 7, keep * other)),
    )
    keep = torch.tensor([[1, 1, 1, 1, 0], [1, 0, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.float64)
    masked = with_masked_steps(x, keep)
    cases["masked self"] = case(
        [masked],
        multi_head_weights(4, 4, 4, 2, 3, 3, [4], True),
        lambda i, w: multi_head(i[0], i[0], i[0], w, True, seen(rows, 5, 5, keep)),
        mask=keep,
    )

    def dot(q, v, k, scale, allowed):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, 0], scale=scale)

    q, v, k = numbers(rows, 5, 4), numbers(rows, 7, 3), numbers(rows, 7, 4)
    kernel = numbers(4, 4)
    # A dense layer before the query, so that there is something to differentiate by.
    cases["dot product"] = case(
        [q, v, k], [kernel.clone()], lambda i, w: dot(i[0] @ w[0], i[1], i[2], 1.0, seen(rows, 5, 7))
    )
    cases["dot product, causal, learned scale"] = case(
        [q, v, k],
        [kernel.clone(), torch.tensor(1.5, dtype=torch.float64)],
        lambda i, w: dot(i[0] @ w[0] * w[1], i[1], i[2], 1.0, seen(rows, 5, 7, causal=True)),
    )
    keep_q = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 1, 1, 0, 1]], dtype=torch.float64)
    keep_v = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1]], dtype=torch.float64)
    cases["dot product, masked"] = case(
        [with_masked_steps(q, keep_q), with_masked_steps(v, keep_v)],
        [numbers(4, 3)],
        lambda i, w: dot(i[0] @ w[0], i[1], i[1], 1.0, seen(rows, 5, 7, keep_v)) * keep_q[..., None],
        mask=keep_q,
    )
    return cases


def embedding_cases():
    cases = {}
    index = torch.tensor(random.integers(0, 9, (4, 5)))
    index[0, 3:] = 0
    index[2, 1] = 0
    table, kernel = numbers(9, 6), numbers(6, 3)
    cases["embedding"] = case([index], [table.clone(), kernel.clone()], lambda i, w: F.embedding(i[0], w[0]) @ w[1])
    cases["embedding, mask zero"] = case(
        [index],
        [table.clone(), kernel.clone()],
        lambda i, w: F.embedding(i[0], w[0]) @ w[1],
        mask=(index != 0).double(),
    )
    x = numbers(4, 3, 5, low=-2, high=2)
    x[0, 1] = 0.5
    x[2, 2] = 0.5
    keep = (x != 0.5).any(-1).double()
    cases["masking"] = case([x], [numbers(5, 2)], lambda i, w: (i[0] * keep[..., None]) @ w[0], mask=keep)

    x = numbers(4, 3, 5, low=-2, high=2)
    dense = numbers(5, 6)
    layers = {
        "prelu": ([(3, 6)], lambda h, a: torch.where(h > 0, h, a[0] * h)),
        "prelu, shared axis": ([(1, 6)], lambda h, a: torch.where(h > 0, h, a[0] * h)),
        "prelu, shared axes": ([(1, 1)], lambda h, a: torch.where(h > 0, h, a[0] * h)),
        "reLU": ([], lambda h, a: F.relu(h)),
        "reLU, largest value": ([], lambda h, a: F.relu(h).clamp(max=1.25)),
        "reLU, slope and threshold": ([], lambda h, a: torch.where(h >= 0.5, h.clamp(max=2.0), 0.25 * (h - 0.5))),
        "reLU, threshold": ([], lambda h, a: torch.where(h >= 0.5, h, 0.0)),
        "leakyReLU": ([], lambda h, a: F.leaky_relu(h, 0.3)),
        "leakyReLU, slope": ([], lambda h, a: F.leaky_relu(h, 0.125)),
        "thresholdedReLU": ([], lambda h, a: F.threshold(h, 1.0, 0.0)),
        "thresholdedReLU, theta": ([], lambda h, a: F.threshold(h, 0.25, 0.0)),
        "elu": ([], lambda h, a: F.elu(h)),
        "elu, alpha": ([], lambda h, a: F.elu(h, 0.5)),
        "softmax": ([], lambda h, a: torch.softmax(h, -1)),
        "softmax, axis 1": ([], lambda h, a: torch.softmax(h, 1)),
    }
    for name, (shapes, function) in layers.items():
        weights = [dense.clone()] + [numbers(*s) for s in shapes]
        cases[name] = case([x], weights, lambda i, w, f=function: f(i[0] @ w[0], w[1:]))
    return cases


if __name__ == "__main__":
    folder = Path(__file__).parent / "attention"
    folder.mkdir(exist_ok=True)
    for name, cases in {"attention": attention_cases(), "embedding": embedding_cases()}.items():
        (folder / f"{name}.json").write_text(json.dumps(cases) + "\n")
        print(name, len(cases))
