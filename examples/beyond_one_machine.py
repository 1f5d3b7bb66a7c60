"""Fit a model on data that are larger than a worker's memory: in chunks, on the processes of a Dask cluster.

Each task loads one chunk and takes the gradient of its share of the cost with a compiled function, which is sent to the
worker and traced there; Dask adds the gradients up in a tree, and SciPy takes the step. What comes out is what one
machine computes, to rounding, also where a worker dies on the way: its chunks are done again by another.
Run it: python examples/beyond_one_machine.py; LocalCluster's place is taken by any other cluster of Dask.
"""

from functools import partial
from operator import add

import dask.array as da
import dask.bag as db
import numpy as np
from dask.distributed import Client, LocalCluster
from scipy import optimize
from tqdm import tqdm

import minigrad as mg

CHUNKS, ROWS, FEATURES, LAMBDA = 64, 40_000, 20, 10.0
MEMORY = 384 * 2**20  # of a worker; the data are 410 MB


def load(i, rows=ROWS, features=FEATURES):
    """The i-th chunk of the data, as from a file: features (rows, features), labels (rows,)."""
    rng = np.random.default_rng(i)
    X = rng.random((rows, features)) - 0.5
    return X, (X @ np.linspace(-3, 3, features) + rng.logistic(size=rows) > 0).astype(float)


def loss(W, X, y):
    """The sum of the cross-entropies of a chunk: sums of chunks add up to that of all."""
    Z = X @ W
    return np.sum(np.logaddexp(0, Z) - y * Z)


def share(W, i, load=load):
    """What one chunk adds to the cost, and to its gradient: one vector, so that a sum adds up both."""
    value, gradient = compiled(W, *load(i))
    return np.append(gradient, value)


compiled = mg.compile(mg.value_and_grad(loss))


def here(W, chunks, load=load):
    """The sum of the shares on this machine, chunk after chunk."""
    return sum(share(W, i, load) for i in range(chunks))


def on_the_cluster(W, chunks, load=load):
    """The sum of the shares by the workers of the current client, four by four."""
    shares = db.from_sequence(range(chunks), npartitions=chunks).map(partial(share, W, load=load))
    return shares.fold(add, split_every=4).compute()


def fit(total, chunks=CHUNKS, features=FEATURES, load=load):
    """Minimise the mean cross-entropy and L2 penalty, with the sums of all chunks by ``total``."""

    def cost(W):
        *gradient, value = total(W, chunks, load)
        return value + LAMBDA / 2 * np.sum(W**2), np.array(gradient) + LAMBDA * W

    with tqdm(desc=total.__name__, unit="step", disable=None) as bar:
        return optimize.minimize(cost, np.zeros(features), jac=True, method="L-BFGS-B", callback=lambda _: bar.update())


def same_versions(client):
    """Refuse workers that would compute with another minigrad or NumPy than what is sent to them."""
    mine = (mg.__version__, np.__version__)
    for worker, theirs in client.run(lambda: (mg.__version__, np.__version__)).items():
        if theirs != mine:
            raise RuntimeError(f"{worker} has minigrad {theirs[0]}, NumPy {theirs[1]}; here they are {mine}")


def derived():
    """The program that `mg.derive` writes for this loss: it is plain NumPy."""
    W, (X, y) = mg.Tensor(np.zeros(3), name="W"), load(0, rows=5, features=3)
    return mg.derive(loss(W, mg.constant(X, "X"), mg.constant(y, "y")), names={"W": W}).numpy()


def main(workers=2):
    size = CHUNKS * ROWS * FEATURES * 8
    print(f"The data are {size / 1e6:.0f} MB in {CHUNKS} chunks, the memory of a worker {MEMORY / 1e6:.0f} MB.\n")
    cluster = LocalCluster(workers, threads_per_worker=1, memory_limit=MEMORY, dashboard_address=None)
    with cluster, Client(cluster) as client:
        same_versions(client)
        found = fit(on_the_cluster)
    alone = fit(here)
    print(f"On {workers} workers {found.nfev} passes over the data, cost {found.fun:.6f}")
    print(f"On this machine {alone.nfev} passes, cost {alone.fun:.6f}")
    print(f"The weights differ by at most {np.max(np.abs(found.x - alone.x)):.1g}\n")
    print(derived())
    X, y = (da.from_array(part, chunks=1000) for part in load(0, rows=10_000, features=3))
    names = {"X": X, "y": y, "W": np.ones(3)}
    exec(derived(), names)
    print(f"\nThis program runs on dask.array as it stands: dW = {names['dW'].compute().round(3)}")


if __name__ == "__main__":
    main()
