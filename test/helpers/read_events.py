"""Prints as JSON what TensorBoard reads from a folder of event files: scalars, histograms and texts by tag."""

import json
import sys
from dataclasses import asdict

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

UNLIMITED = {"scalars": 0, "histograms": 0, "tensors": 0}


def main():
    events = EventAccumulator(sys.argv[1], size_guidance=UNLIMITED)
    events.Reload()
    tags = events.Tags()
    found = {
        "scalars": {tag: [[e.wall_time, e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
        "histograms": {},
        "texts": {},
    }
    for tag in tags["histograms"]:
        found["histograms"][tag] = [[e.wall_time, e.step, asdict(e.histogram_value)] for e in events.Histograms(tag)]
    for tag in tags["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        found["texts"][tag] = [
            [e.wall_time, e.step, plugin, [text.decode() for text in e.tensor_proto.string_val]] for e in events.Tensors(tag)
        ]
    json.dump(found, sys.stdout)


main()
