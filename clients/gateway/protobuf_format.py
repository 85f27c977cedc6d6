"""Metrics in the protobuf format of Prometheus, the only one with native histograms. Pure.

A body is a sequence of messages `io.prometheus.client.MetricFamily`, each after its length (github.com/prometheus/client_model,
metrics.proto, version 0.3 and later). The few fields that we have are encoded here: prometheus_client has only text formats.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.samples import Sample

TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
SCHEMA = 5  # 32 buckets per doubling
KINDS = {"counter": (0, 3), "gauge": (1, 2), "histogram": (4, 7)}  # type of a metric: its number, and the field of its value
VARINT, FIXED64, BYTES = 0, 1, 2  # wire types


class Histograms(HistogramMetricFamily):
    """A family of histograms with the counts of native ones.

    `native` has the counts by bucket of schema 5 for the values of a histogram's labels, in the order of the family's labels. The
    first bucket, `zero_index`, has also all values below it.
    """

    def __init__(self, name: str, documentation: str, labels: list[str], zero_index: int) -> None:
        super().__init__(name, documentation, labels=labels)
        self.label_names, self.zero_index = labels, zero_index
        self.native: dict[tuple[str, ...], Mapping[int, int]] = {}


def encode(families: Iterable[Metric]) -> bytes:
    """Return counters, gauges and histograms as a body; families without a sample are left out."""
    return b"".join(_sized(_family(family)) for family in families if family.samples)


def _family(family: Metric) -> bytes:
    kind, field = KINDS[family.type]
    name = f"{family.name}_total" if family.type == "counter" else family.name
    begin = _text(1, name) + _text(2, family.documentation) + _number(3, kind)
    if isinstance(family, Histograms):
        return begin + b"".join(_histograms(family))
    metrics = (_labels(sample.labels) + _message(field, _double(1, sample.value)) for sample in family.samples)
    return begin + b"".join(_message(4, metric) for metric in metrics)


def _histograms(family: Histograms) -> Iterator[bytes]:
    """Iterate over the histograms: `add_metric` gives the samples of each as its buckets, their count, and the sum."""
    buckets: list[Sample] = []
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            buckets.append(sample)
        elif sample.name.endswith("_sum"):
            labels = tuple(sample.labels[name] for name in family.label_names)
            fields = [_number(1, int(buckets[-1].value)), _double(2, sample.value)]
            fields += [_message(3, _number(1, int(item.value)) + _double(2, float(item.labels["le"]))) for item in buckets]
            if labels in family.native:
                fields += _native(family.native[labels], family.zero_index)
            yield _message(4, _labels(sample.labels) + _message(7, b"".join(fields)))
            buckets = []


def _native(counts: Mapping[int, int], zero_index: int) -> Iterator[bytes]:
    positive = [(index, count) for index, count in sorted(counts.items()) if index > zero_index]
    yield _number(5, _zigzag(SCHEMA))
    yield _double(6, 2.0 ** (zero_index / 2**SCHEMA))
    yield _number(7, counts.get(zero_index, 0))
    spans: list[list[int]] = []  # offset from the end of the former one, and length
    end = 0
    for index, _ in positive:
        if spans and index == end:
            spans[-1][1] += 1
        else:
            spans.append([index - end, 1])
        end = index + 1
    # A histogram without a value has an empty span: it tells Prometheus that the histogram is native.
    for offset, length in spans or [[0, 0]]:
        yield _message(12, _number(1, _zigzag(offset)) + _number(2, length))
    before = 0
    for _, count in positive:
        yield _number(13, _zigzag(count - before))
        before = count


def _labels(labels: Mapping[str, str]) -> bytes:
    return b"".join(_message(1, _text(1, name) + _text(2, value)) for name, value in labels.items())


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _sized(body: bytes) -> bytes:
    return _varint(len(body)) + body


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | VARINT) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | FIXED64) + struct.pack("<d", value)


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | BYTES) + _sized(body)


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode(errors="replace"))
