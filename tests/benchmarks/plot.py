"""The plot of the benchmark: how long each library takes, relative to hand-written NumPy."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

# Okabe and Ito's colours, which colour-blind eyes tell apart, and a marker for each, which grey print does.
STYLES = {
    "minigrad": ("#0072B2", "o"),
    "minigrad compiled": ("#56B4E9", "s"),
    "minigrad fast": ("#009E73", "D"),
    "PyTorch": ("#D55E00", "^"),
    "torch.compile": ("#E69F00", "v"),
    "JAX jit": ("#CC79A7", "P"),
    "HIPS autograd": ("#555555", "X"),
    "MyGrad": ("#999999", "*"),
}
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)


def plot(ratios, file):
    """Write the plot of {(workload, dtype): {name: (median, spread)}}."""
    workloads = list(dict.fromkeys(workload for workload, _ in ratios))
    dtypes = list(dict.fromkeys(dtype for _, dtype in ratios))
    settings = {"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 11, "font.family": "sans-serif"}
    with plt.rc_context(settings):
        figure, axes = plt.subplots(
            1, len(dtypes), sharey=True, squeeze=False, figsize=(12, 2 + 0.5 * len(workloads)), layout="constrained"
        )
        for ax, dtype in zip(axes[0], dtypes, strict=True):
            for name, (colour, marker) in STYLES.items():
                found = [(i, *ratios[w, dtype][name]) for i, w in enumerate(workloads) if name in ratios[w, dtype]]
                if found:
                    places, medians, spreads = zip(*found, strict=True)
                    ax.errorbar(medians, places, xerr=spreads, fmt=marker, color=colour, label=name, capsize=2)
            ax.axvline(1, color="black", linewidth=1)
            ax.set(xscale="log", title=dtype, xlabel="time relative to NumPy by hand (smaller is faster)")
            low, high = ax.get_xlim()
            ax.set_xticks([x for x in TICKS if low < x < high], [f"{x:g}" for x in TICKS if low < x < high])
            ax.minorticks_off()
            ax.grid(axis="x", alpha=0.3)
        axes[0][0].set_yticks(range(len(workloads)), workloads)
        axes[0][0].invert_yaxis()
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
