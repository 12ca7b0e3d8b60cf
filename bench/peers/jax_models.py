"""The bench's networks in JAX: each a pair of functions. start(key) makes the weights, as Keras makes them, and the moving
statistics; apply(weights, statistics, x, key) makes the scores and the next statistics. Images are [N, H, W, C]."""

from functools import partial
from typing import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax, nn

Tree = dict[str, "Tree"] | Array
Start = Callable[[Array], tuple[Tree, Tree]]
Apply = Callable[[Tree, Tree, Array, Array], tuple[Array, Tree]]

glorot = nn.initializers.glorot_uniform()


def dense_start(key: Array, inputs: int, units: int) -> Tree:
    return {"kernel": glorot(key, (inputs, units)), "bias": jnp.zeros(units)}


def dense(w: Tree, x: Array) -> Array:
    return x @ w["kernel"] + w["bias"]


def conv_start(key: Array, size: int, inputs: int, filters: int) -> Tree:
    return {"kernel": glorot(key, (size, size, inputs, filters)), "bias": jnp.zeros(filters)}


def conv(kernel: Array, x: Array, stride: int = 1, padding: str = "SAME") -> Array:
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def biased(w: Tree, x: Array, padding: str = "SAME") -> Array:
    return conv(w["kernel"], x, 1, padding) + w["bias"]


def max_pool(x: Array) -> Array:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def dropout(key: Array, rate: float, x: Array) -> Array:
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)


def lstm_start(key: Array, inputs: int, units: int) -> Tree:
    one, other = jax.random.split(key)
    bias = jnp.zeros(4 * units).at[units : 2 * units].set(1)
    recurrent = nn.initializers.orthogonal()(other, (units, 4 * units))
    return {"kernel": glorot(one, (inputs, 4 * units)), "recurrent": recurrent, "bias": bias}


def lstm(w: Tree, x: Array) -> Array:
    """States [time, batch, units] over x [batch, time, inputs]."""
    products = (x @ w["kernel"] + w["bias"]).swapaxes(0, 1)
    zeros = jnp.zeros((x.shape[0], w["recurrent"].shape[0]), x.dtype)

    def step(carry: tuple[Array, Array], product: Array):
        h, c = carry
        i, f, g, o = jnp.split(product + h @ w["recurrent"], 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    return lax.scan(step, (zeros, zeros), products)[1]


def mlp_start(sizes: tuple[int, ...], key: Array) -> tuple[Tree, Tree]:
    keys = jax.random.split(key, len(sizes))
    return {str(i): dense_start(keys[i], *pair) for i, pair in enumerate(zip(sizes, sizes[1:]))}, {}


def mlp_apply(w: Tree, moving: Tree, x: Array, key: Array) -> tuple[Array, Tree]:
    for i in range(len(w) - 1):
        x = nn.relu(dense(w[str(i)], x))
    return dense(w[str(len(w) - 1)], x), moving


def cnn_start(key: Array) -> tuple[Tree, Tree]:
    a, b, c, d = jax.random.split(key, 4)
    convs = {"conv1": conv_start(a, 3, 1, 32), "conv2": conv_start(b, 3, 32, 64)}
    return {**convs, "dense1": dense_start(c, 12 * 12 * 64, 128), "dense2": dense_start(d, 128, 10)}, {}


def cnn_apply(w: Tree, moving: Tree, x: Array, key: Array) -> tuple[Array, Tree]:
    one, other = jax.random.split(key)
    x = nn.relu(biased(w["conv1"], x, "VALID"))
    x = max_pool(nn.relu(biased(w["conv2"], x, "VALID")))
    x = dropout(one, 0.25, x).reshape(x.shape[0], -1)
    x = dropout(other, 0.5, nn.relu(dense(w["dense1"], x)))
    return dense(w["dense2"], x), moving


def resnet_convolutions() -> list[tuple[str, int, int, int, int]]:
    """Name, kernel size, input channels, filters and stride of each convolution, all of which are normalised."""
    found, inputs = [("first", 3, 3, 16, 1)], 16
    for filters in (16, 32, 64):
        for i in range(3):
            stride = 2 if i == 0 and filters > 16 else 1
            found += [(f"{filters}.{i}.a", 3, inputs, filters, stride), (f"{filters}.{i}.b", 3, filters, filters, 1)]
            if stride > 1:
                found.append((f"{filters}.{i}.shortcut", 1, inputs, filters, stride))
            inputs = filters
    return found


def resnet_start(key: Array) -> tuple[Tree, Tree]:
    weights: Tree = {"dense": dense_start(key, 64, 10)}
    moving: Tree = {}
    for n, (name, size, inputs, filters, _) in enumerate(resnet_convolutions()):
        kernel = glorot(jax.random.fold_in(key, n), (size, size, inputs, filters))
        weights[name] = {"kernel": kernel, "gamma": jnp.ones(filters), "beta": jnp.zeros(filters)}
        moving[name] = {"mean": jnp.zeros(filters), "variance": jnp.ones(filters)}
    return weights, moving


def resnet_apply(w: Tree, moving: Tree, x: Array, key: Array) -> tuple[Array, Tree]:
    kept: Tree = {}
    strides = {name: stride for name, _, _, _, stride in resnet_convolutions()}

    def normalised(name: str, x: Array) -> Array:
        y = conv(w[name]["kernel"], x, strides[name])
        wide = y.astype(jnp.float32)
        now = {"mean": wide.mean((0, 1, 2)), "variance": wide.var((0, 1, 2))}
        kept[name] = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * lax.stop_gradient(new), moving[name], now)
        scale = w[name]["gamma"] * lax.rsqrt(now["variance"] + 1e-3)
        return (wide * scale + (w[name]["beta"] - now["mean"] * scale)).astype(y.dtype)

    x = nn.relu(normalised("first", x))
    for filters in (16, 32, 64):
        for i in range(3):
            name = f"{filters}.{i}"
            y = normalised(f"{name}.b", nn.relu(normalised(f"{name}.a", x)))
            x = nn.relu(y + (normalised(f"{name}.shortcut", x) if f"{name}.shortcut" in w else x))
    return dense(w["dense"], x.mean((1, 2))), kept


def language_start(key: Array) -> tuple[Tree, Tree]:
    a, b, c, d = jax.random.split(key, 4)
    table = jax.random.uniform(a, (96, 128), minval=-0.05, maxval=0.05)
    layers = {"lower": lstm_start(b, 128, 256), "upper": lstm_start(c, 256, 256), "dense": dense_start(d, 256, 96)}
    return {"table": table, **layers}, {}


def language_apply(w: Tree, moving: Tree, x: Array, key: Array) -> tuple[Array, Tree]:
    lower = lstm(w["lower"], w["table"].at[x].get(mode="promise_in_bounds"))
    upper = lstm(w["upper"], lower.swapaxes(0, 1))
    return dense(w["dense"], upper).swapaxes(0, 1), moving


def lrcn_start(key: Array) -> tuple[Tree, Tree]:
    a, b, c, d, e = jax.random.split(key, 5)
    convs = {"conv1": conv_start(a, 3, 1, 16), "conv2": conv_start(b, 3, 16, 32)}
    dense_layers = {"features": dense_start(c, 8 * 8 * 32, 128), "dense": dense_start(e, 128, 4)}
    return {**convs, **dense_layers, "lstm": lstm_start(d, 128, 128)}, {}


def lrcn_apply(w: Tree, moving: Tree, x: Array, key: Array) -> tuple[Array, Tree]:
    rows, frames = x.shape[:2]
    x = x.reshape(rows * frames, *x.shape[2:])
    x = max_pool(nn.relu(biased(w["conv1"], x)))
    x = max_pool(nn.relu(biased(w["conv2"], x)))
    x = nn.relu(dense(w["features"], x.reshape(rows, frames, -1)))
    return dense(w["dense"], lstm(w["lstm"], x)[-1]), moving


MODELS: dict[str, tuple[Start, Apply]] = {
    "mlp_small": (partial(mlp_start, (784, 128, 10)), mlp_apply),
    "mlp": (partial(mlp_start, (784, 512, 512, 10)), mlp_apply),
    "cnn_mnist": (cnn_start, cnn_apply),
    "resnet20": (resnet_start, resnet_apply),
    "resnet20_512": (resnet_start, resnet_apply),
    "lstm_lm": (language_start, language_apply),
    "lrcn": (lrcn_start, lrcn_apply),
}
