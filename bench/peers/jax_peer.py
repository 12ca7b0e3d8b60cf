"""JAX on the bench's workloads: plain functions over trees of weights (jax_models.py), optax for the update. A step, or with
--scan up to 128 of them, is one jitted program, which gathers its batch by row numbers and overwrites the weights it was given.
Float32, or bfloat16 in all but weights, statistics and loss. bench/README.md says how to install it.

    python bench/peers/jax_peer.py --workload mlp [--scan] [--threads 1] [--precision bfloat16]
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

import peer
from jax_models import MODELS
from workload_data import Workload


class Trainer:
    def __init__(self, options: argparse.Namespace, workload: Workload):
        if options.device == "cpu":
            jax.config.update("jax_platforms", "cpu")
            peer.keep_to(options.threads)
        else:
            # JAX without its CUDA part takes the CPU and says nothing; and its float32 on GPUs is TF32 where it is not told.
            jax.config.update("jax_platforms", "cuda")
            jax.config.update("jax_default_matmul_precision", "highest" if options.precision == "float32" else "default")
        # Dropout's masks cost a fraction of what the default generator takes for them.
        jax.config.update("jax_default_prng_impl", "rbg")
        self.name = f"jax {jax.__version__} jit{' of scanned steps' if options.scan else ''}"
        self.batch = workload.batch
        self.together = min(workload.samples // workload.batch, 128) if options.scan else 1
        inputs, labels = workload.data(workload.samples)
        if options.workload == "cnn_mnist":
            inputs = inputs.reshape(-1, 28, 28, 1)
        integers = inputs.dtype.kind == "i"
        self.data = jax.device_put((inputs.astype("int32") if integers else inputs, labels.astype("int32")))
        self.order = np.zeros((0, self.batch), np.int32)
        self.random = np.random.default_rng(1)

        compute = jnp.bfloat16 if options.precision == "bfloat16" else jnp.float32
        start, apply = MODELS[options.workload]
        weights, moving = start(jax.random.key(1))
        optimizer = optax.adam(1e-3, eps=1e-7) if workload.optimizer == "adam" else optax.sgd(0.05, momentum=0.9)
        self.state = (weights, moving, optimizer.init(weights), jnp.zeros((), jnp.int32))

        def loss_of(weights, moving, x: Array, y: Array, key: Array):
            cast = jax.tree.map(lambda w: w.astype(compute), weights)
            scores, moving = apply(cast, moving, x if integers else x.astype(compute), key)
            return optax.softmax_cross_entropy_with_integer_labels(scores.astype(jnp.float32), y).mean(), moving

        def step(data: tuple[Array, Array], state, rows: Array):
            weights, moving, slots, number = state
            x, y = (d.at[rows].get(mode="promise_in_bounds") for d in data)
            key = jax.random.fold_in(jax.random.key(2), number)
            (loss, moving), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights, moving, x, y, key)
            changes, slots = optimizer.update(gradients, slots)
            return (optax.apply_updates(weights, changes), moving, slots, number + 1), loss

        def steps(data: tuple[Array, Array], state, rows: Array):
            return lax.scan(partial(step, data), state, rows)

        # Donated: the new weights may lie where the old ones did.
        self.run = jax.jit(steps if options.scan else step, donate_argnums=1)

    def rows(self) -> np.ndarray:
        """Row numbers of the steps that run together; an epoch's are a permutation."""
        if len(self.order) == 0:
            self.order = self.random.permutation(len(self.data[0])).astype(np.int32).reshape(-1, self.batch)
        rows, self.order = self.order[: self.together], self.order[self.together :]
        return rows[0] if self.together == 1 else rows

    def train(self, steps: int, losses: bool) -> float | None:
        kept = []
        for _ in range(steps // self.together):
            self.state, loss = self.run(self.data, self.state, self.rows())
            if losses:
                kept.append(loss)
        jax.block_until_ready(self.state)
        return float(jnp.stack(kept).mean()) if losses else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times JAX on one of the bench's workloads.")
    parser.add_argument("--scan", action="store_true")
    peer.main(parser, Trainer)
