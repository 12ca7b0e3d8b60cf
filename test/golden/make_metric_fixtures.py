"""Writes test/golden/metrics.json: labels and outputs, and what Keras (on PyTorch) and scikit-learn make of them.

Keras computes in float32, so scikit-learn or NumPy in float64 is used where it has the metric under the same definition.
Outputs are float32 values, far from thresholds and from one another, so that no rounding decides a comparison.

    python3 -m venv venv && venv/bin/pip install torch keras scikit-learn
    venv/bin/python test/golden/make_metric_fixtures.py
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import sklearn.metrics as sk

ROWS = 23
CLASSES = 4


def distinct(rng, *shape):
    """Float32 numbers in (0, 1), none near a multiple of 1/199, 1/49 or 0.05; of one column no two between the same of 1/199."""
    while True:
        p = rng.random(shape).astype(np.float32)
        near = lambda n: np.abs(p.astype(np.float64) * n - np.round(p.astype(np.float64) * n)).min()
        apart = p.ndim > 1 or len(set(np.floor(p * 199))) == p.size
        if apart and min(near(199), near(49), near(20)) > 1e-4:
            return p


def kept(metric, y, p, w=None):
    metric.update_state(y, p, sample_weight=w)
    result = keras.ops.convert_to_numpy(metric.result())
    return result.astype(float).tolist()


def main():
    rng = np.random.default_rng(5)
    keras.backend.set_floatx("float64")
    w = (rng.integers(1, 9, ROWS) / 4).astype(np.float32)
    K = keras.metrics
    cases = []

    def add(name, data, options, value):
        cases.append({"metric": name, "data": data, "options": options, "value": value})

    # One output, several outputs that do not exclude one another, classes, numbers.
    y1 = (rng.random(ROWS) < 0.4).astype(np.float32)
    p1 = distinct(rng, ROWS)
    ym = (rng.random((ROWS, 3)) < 0.45).astype(np.float32)
    pm = distinct(rng, ROWS, 3)
    c = rng.integers(0, CLASSES, ROWS)
    logits = rng.normal(size=(ROWS, CLASSES)) * 1.5
    logits[np.arange(ROWS), c] += 0.7
    pc = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    pc = pc.astype(np.float32)
    yc = np.eye(CLASSES, dtype=np.float32)[c]
    yr = (rng.normal(size=(ROWS, 2)) * [1, 3] + [2, 9]).astype(np.float32)
    pr = (yr + rng.normal(size=(ROWS, 2)) * [0.5, 2]).astype(np.float32)
    data = {
        "binary": {"y": y1[:, None], "p": p1[:, None], "loss": "binaryCrossentropy"},
        "labels": {"y": ym, "p": pm, "loss": "binaryCrossentropy"},
        "distributions": {"y": yc, "p": pc, "loss": "categoricalCrossentropy"},
        "classes": {"y": c, "p": pc, "loss": "sparseCategoricalCrossentropy"},
        "numbers": {"y": np.abs(yr), "p": np.abs(pr), "loss": "meanSquaredError"},
        "number": {"y": yr[:, :1], "p": pr[:, :1], "loss": "meanSquaredError"},
    }

    def both(name, source, options, of):
        """The metric without weights and with weights; `of(y, p, w)` gives the value."""
        y, p = data[source]["y"], data[source]["p"]
        add(name, source, options, {"plain": of(y, p, None), "weighted": of(y, p, w)})

    # Keras counts overlaps in whole numbers; their ratios stay when all weights are four times as large.
    whole = lambda weights: None if weights is None else weights * 4

    flat = lambda y, p, weights: (
        y.ravel(),
        p.ravel(),
        None if weights is None else np.repeat(weights, y.size // ROWS),
    )

    for source in ("binary", "labels"):
        for name, cls in [("precision", K.Precision), ("recall", K.Recall)]:
            both(name, source, {}, lambda y, p, s, cls=cls: kept(cls(), y, p, s))
            both(name, source, {"thresholds": [0.7, 0.21, 0.43]}, lambda y, p, s, cls=cls: kept(cls(thresholds=[0.7, 0.21, 0.43]), y, p, s))
        for name, cls in [
            ("truePositives", K.TruePositives),
            ("trueNegatives", K.TrueNegatives),
            ("falsePositives", K.FalsePositives),
            ("falseNegatives", K.FalseNegatives),
        ]:
            both(name, source, {"thresholds": 0.33}, lambda y, p, s, cls=cls: kept(cls(thresholds=0.33), y, p, s))
        both("auc", source, {}, lambda y, p, s: sk.roc_auc_score(*flat(y, p, s)[:2], sample_weight=flat(y, p, s)[2]) if source == "binary" else kept(K.AUC(), y, p, s))
        for curve in ("ROC", "PR"):
            for method in ("interpolation", "minoring", "majoring"):
                both(
                    "auc",
                    source,
                    {"curve": curve, "summationMethod": method, "numThresholds": 50},
                    lambda y, p, s, curve=curve, method=method: kept(
                        K.AUC(curve=curve, summation_method=method, num_thresholds=50), y, p, s
                    ),
                )
        both(
            "auc",
            source,
            {"thresholds": [0.11, 0.52, 0.31, 0.87]},
            lambda y, p, s: kept(K.AUC(thresholds=[0.11, 0.52, 0.31, 0.87]), y, p, s),
        )
        both("binaryAccuracy", source, {"threshold": 0.33}, lambda y, p, s: kept(K.BinaryAccuracy(threshold=0.33), y, p, s))
        both("binaryCrossentropy", source, {"labelSmoothing": 0.25}, lambda y, p, s: kept(K.BinaryCrossentropy(label_smoothing=0.25), y, p, s))
    both("auc", "labels", {"multiLabel": True}, lambda y, p, s: kept(K.AUC(multi_label=True, num_labels=3), y, p, s))
    both(
        "auc",
        "labels",
        {"multiLabel": True, "labelWeights": [1, 2, 0.5], "curve": "PR"},
        lambda y, p, s: kept(K.AUC(multi_label=True, num_labels=3, label_weights=[1, 2, 0.5], curve="PR"), y, p, s),
    )
    for name, cls, option, held in [
        ("sensitivityAtSpecificity", K.SensitivityAtSpecificity, "specificity", 0.6),
        ("specificityAtSensitivity", K.SpecificityAtSensitivity, "sensitivity", 0.7),
        ("precisionAtRecall", K.PrecisionAtRecall, "recall", 0.6),
        ("recallAtPrecision", K.RecallAtPrecision, "precision", 0.5),
    ]:
        both(name, "binary", {option: held}, lambda y, p, s, cls=cls, held=held: kept(cls(held), y, p, s))
        both(name, "binary", {option: held, "numThresholds": 1}, lambda y, p, s, cls=cls, held=held: kept(cls(held, num_thresholds=1), y, p, s))
        both(name, "binary", {option: held, "numThresholds": 50}, lambda y, p, s, cls=cls, held=held: kept(cls(held, num_thresholds=50), y, p, s))
    for target in ([0, 1], [1]):
        both(
            "binaryIoU",
            "binary",
            {"targetClassIds": target, "threshold": 0.33},
            lambda y, p, s, target=target: kept(K.BinaryIoU(target_class_ids=target, threshold=0.33), y, p, whole(s)),
        )
    both("dice", "binary", {}, lambda y, p, s: sk.f1_score(y.ravel(), p.ravel() > 0.5, sample_weight=s))
    both("f1Score", "binary", {}, lambda y, p, s: sk.f1_score(y.ravel(), p.ravel() > 0.5, sample_weight=s))

    # Which outputs count: the largest ones of a sample, or those of one class.
    for name, cls in [("precision", K.Precision), ("recall", K.Recall)]:
        both(name, "distributions", {"topK": 2}, lambda y, p, s, cls=cls: kept(cls(top_k=2), y, p, s))
        both(name, "distributions", {"classId": 2}, lambda y, p, s, cls=cls: kept(cls(class_id=2), y, p, s))
        both(
            name,
            "distributions",
            {"topK": 2, "thresholds": 0.3, "classId": 1},
            lambda y, p, s, cls=cls: kept(cls(top_k=2, thresholds=0.3, class_id=1), y, p, s),
        )

    for source in ("distributions", "classes"):
        classes = lambda y: y if y.ndim == 1 else y.argmax(-1)
        both("accuracy", source, {}, lambda y, p, s: sk.accuracy_score(classes(y), p.argmax(-1), sample_weight=s))
        both("confusionMatrix", source, {}, lambda y, p, s: sk.confusion_matrix(classes(y), p.argmax(-1), sample_weight=s, labels=range(CLASSES)).astype(float).tolist())
        both("meanIoU", source, {}, lambda y, p, s: float(np.mean(sk.jaccard_score(classes(y), p.argmax(-1), average=None, sample_weight=s))))
        both("meanIoU", source, {"ignoreClass": 2}, lambda y, p, s: kept(K.MeanIoU(CLASSES, ignore_class=2), classes(y), p.argmax(-1), whole(s)))
        both("iou", source, {"targetClassIds": [0, 3]}, lambda y, p, s: kept(K.IoU(CLASSES, [0, 3]), classes(y), p.argmax(-1), whole(s)))
        both("dice", source, {"targetClassIds": [1, 2]}, lambda y, p, s: float(np.mean(sk.f1_score(classes(y), p.argmax(-1), average=None, sample_weight=s)[[1, 2]])))
        for average in (None, "micro", "macro", "weighted"):
            options = {"average": average}
            of = lambda y, p, s, average=average, beta=1.0: np.asarray(
                sk.fbeta_score(classes(y), p.argmax(-1), beta=beta, average=average, sample_weight=s)
            ).tolist()
            both("f1Score", source, options, of)
            both("fBetaScore", source, {**options, "beta": 2}, lambda y, p, s, of=of: of(y, p, s, beta=2.0))
        both("perplexity", source, {}, lambda y, p, s: float(np.exp(np.average(-np.log(p.astype(float)[np.arange(ROWS), classes(y)]), weights=s))))
    both("perplexity", "classes", {"maskTokenId": 1}, lambda y, p, s: float(np.exp(np.average(-np.log(p.astype(float)[np.arange(ROWS), y]), weights=(y != 1) * (1 if s is None else s)))))
    both("f1Score", "distributions", {"threshold": 0.3}, lambda y, p, s: sk.f1_score(y, p > 0.3, average=None, sample_weight=s).tolist())
    both("categoricalAccuracy", "distributions", {}, lambda y, p, s: kept(K.CategoricalAccuracy(), y, p, s))
    both("topKCategoricalAccuracy", "distributions", {"k": 2}, lambda y, p, s: kept(K.TopKCategoricalAccuracy(k=2), y, p, s))
    both("categoricalCrossentropy", "distributions", {"labelSmoothing": 0.25}, lambda y, p, s: kept(K.CategoricalCrossentropy(label_smoothing=0.25), y, p, s))
    both("kullbackLeiblerDivergence", "distributions", {}, lambda y, p, s: kept(K.KLDivergence(), y, p, s))
    both("categoricalHinge", "distributions", {}, lambda y, p, s: kept(K.CategoricalHinge(), y, p, s))
    both("sparseCategoricalAccuracy", "classes", {}, lambda y, p, s: kept(K.SparseCategoricalAccuracy(), y, p, s))
    both("sparseTopKCategoricalAccuracy", "classes", {"k": 3}, lambda y, p, s: kept(K.SparseTopKCategoricalAccuracy(k=3), y, p, s))
    both("sparseCategoricalCrossentropy", "classes", {}, lambda y, p, s: kept(K.SparseCategoricalCrossentropy(), y, p, s))

    for name, cls in [
        ("meanSquaredError", K.MeanSquaredError),
        ("rootMeanSquaredError", K.RootMeanSquaredError),
        ("meanAbsoluteError", K.MeanAbsoluteError),
        ("meanAbsolutePercentageError", K.MeanAbsolutePercentageError),
        ("meanSquaredLogarithmicError", K.MeanSquaredLogarithmicError),
        ("logCoshError", K.LogCoshError),
        ("cosineSimilarity", K.CosineSimilarity),
        ("poisson", K.Poisson),
    ]:
        both(name, "numbers", {}, lambda y, p, s, cls=cls: kept(cls(), y, p, s))
    for name, cls in [("hinge", K.Hinge), ("squaredHinge", K.SquaredHinge)]:
        both(name, "labels", {}, lambda y, p, s, cls=cls: kept(cls(), y, p, s))
    for ours, theirs in [("uniformAverage", "uniform_average"), ("varianceWeightedAverage", "variance_weighted"), (None, "raw_values")]:
        both(
            "r2Score",
            "numbers",
            {"classAggregation": ours},
            lambda y, p, s, theirs=theirs: np.asarray(sk.r2_score(y.astype(float), p.astype(float), multioutput=theirs, sample_weight=s)).tolist(),
        )
    y, p = data["number"]["y"], data["number"]["p"]
    add("r2Score", "number", {"numRegressors": 3}, {"plain": kept(K.R2Score(num_regressors=3), y, p)})

    fixture = {
        "keras": keras.__version__,
        "scikitLearn": __import__("sklearn").__version__,
        "weights": w.tolist(),
        "data": {k: {"y": v["y"].tolist(), "p": v["p"].tolist(), "loss": v["loss"]} for k, v in data.items()},
        "cases": cases,
    }
    path = Path(__file__).parent / "metrics.json"
    path.write_text(json.dumps(fixture, separators=(",", ":")).replace('{"metric"', '\n{"metric"') + "\n")
    print(f"{path.name}: {len(cases)} cases")


if __name__ == "__main__":
    main()
