"""`/metrics` as protobuf, with native histograms: literal bytes, the library `protobuf`, and Prometheus as judges."""

import http.server
import json
import math
import random
import shutil
import struct
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from local_bus import free_ports
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from waiting import eventually

from hulak.bus.histogram import FIRST, Histogram
from hulak.clients.gateway import metrics, protobuf_format
from hulak.clients.gateway.metric_format import prefers_protobuf
from hulak.clients.judge.situations import Level
from hulak.clients.judge.verdict import failed

ASKED = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
MESSAGES = {  # of client_model's metrics.proto: number, type, and whether it is repeated
    "LabelPair": {"name": (1, "string"), "value": (2, "string")},
    "Value": {"value": (1, "double")},
    "Bucket": {"cumulative_count": (1, "uint64"), "upper_bound": (2, "double")},
    "BucketSpan": {"offset": (1, "sint32"), "length": (2, "uint32")},
    "Histogram": {
        "sample_count": (1, "uint64"),
        "sample_sum": (2, "double"),
        "bucket": (3, "Bucket*"),
        "schema": (5, "sint32"),
        "zero_threshold": (6, "double"),
        "zero_count": (7, "uint64"),
        "positive_span": (12, "BucketSpan*"),
        "positive_delta": (13, "sint64*"),
    },
    "Metric": {"label": (1, "LabelPair*"), "gauge": (2, "Value"), "counter": (3, "Value"), "histogram": (7, "Histogram")},
    "MetricFamily": {"name": (1, "string"), "help": (2, "string"), "type": (3, "int32"), "metric": (4, "Metric*")},
}


def message_class():
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="p", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            item = message.field.add(name=field, number=number, label=3 if kind.endswith("*") else 1)
            if (plain := kind.rstrip("*")) in MESSAGES:
                item.type, item.type_name = item.TYPE_MESSAGE, f".p.{plain}"
            else:
                item.type = getattr(item, f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.MetricFamily"))


def decoded(body):
    kind, families = message_class(), {}
    while body:
        size = shift = 0
        while True:
            byte, body = body[0], body[1:]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        family = kind.FromString(body[:size])
        body = body[size:]
        families[family.name] = family
    return families


def counts_of(histogram):
    index, counts, deltas, count = 0, {}, iter(histogram.positive_delta), 0
    for span in histogram.positive_span:
        index += span.offset
        for _ in range(span.length):
            count += next(deltas)
            counts[index] = count
            index += 1
    return counts


def body_of(values_s, accept=ASKED):
    histogram = Histogram(5.0, 0.0)
    for value in values_s:
        histogram.add(value * 1e6, 0.0)
    stats = {"ticks": {"taken": 3, "feed_to_broker_totals": histogram.totals()}}
    return metrics.answer(accept, stats, 0.1, {}, failed(Level.OK, ""))


def test_a_counter_and_a_gauge_have_these_bytes():
    counter = CounterMetricFamily("a", "A.")
    counter.add_metric([], 2.0)
    gauge = GaugeMetricFamily("b", "B.", labels=["x"])
    gauge.add_metric(["y"], 1.5)
    two, more = struct.pack("<d", 2.0), struct.pack("<d", 1.5)
    assert protobuf_format.encode([counter, GaugeMetricFamily("none", "N."), gauge]) == (
        b"\x1c\x0a\x07a_total\x12\x02A.\x18\x00\x22\x0b\x1a\x09\x09" + two
        + b"\x1e\x0a\x01b\x12\x02B.\x18\x01\x22\x13\x0a\x06\x0a\x01x\x12\x01y\x12\x09\x09" + more
    )  # fmt: skip


def test_a_native_histogram_has_these_bytes():
    family = protobuf_format.Histograms("h", "H.", [], -637)
    family.add_metric([], [("1.0", 3), ("+Inf", 6)], 9.0)
    family.native[()] = {-637: 1, -2: 1, -1: 3, 5: 1}
    native = bytes.fromhex("280a") + b"1" + struct.pack("<d", 2 ** (-637 / 32)) + bytes.fromhex("3801")
    native += bytes.fromhex("620408031002 6204080a1001 6802 6804 6803")
    classic = b"\x08\x06\x11" + struct.pack("<d", 9.0)
    for count, bound in ((3, 1.0), (6, math.inf)):
        classic += b"\x1a\x0b\x08" + bytes([count]) + b"\x11" + struct.pack("<d", bound)
    value = b"\x3a" + bytes([len(classic + native)]) + classic + native
    body = b"\x0a\x01h\x12\x02H.\x18\x04\x22" + bytes([len(value)]) + value
    assert protobuf_format.encode([family]) == bytes([len(body)]) + body


def test_protobuf_has_every_value_in_its_bucket_and_the_series_of_the_text():
    chance = random.Random(5)
    values = [0.0, 1e-6, 2.0**-10, *(chance.lognormvariate(-6, 2) for _ in range(2000))]
    kind, body = body_of(values)
    assert kind == protobuf_format.TYPE
    families = decoded(body)
    histogram = families["hulak_feed_to_broker_seconds"].metric[0].histogram
    counts = counts_of(histogram)
    assert (histogram.schema, histogram.sample_count) == (5, len(values))
    assert histogram.zero_count + sum(counts.values()) == len(values)
    assert histogram.zero_count == sum(value <= histogram.zero_threshold for value in values) == 2
    for index, count in counts.items():
        assert count == sum(2 ** ((index - 1) / 32) < value <= 2 ** (index / 32) for value in values), index
    for bucket in histogram.bucket:
        assert bucket.cumulative_count == sum(value <= bucket.upper_bound for value in values)
    kind, text = body_of(values, "text/plain")
    assert kind == metrics.TYPE
    named = {line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE")}
    assert set(families) == {name for name in named if f"\n{name}" in text.decode()}
    assert families["hulak_ticks_total"].metric[0].counter.value == 3


@pytest.mark.parametrize(
    ("accept", "is_protobuf"),
    [
        (f"{ASKED},application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        (f"{ASKED};q=0.7,text/plain;version=0.0.4;q=0.3", True),
        (f"text/plain;version=0.0.4;q=0.6,{ASKED};q=0.5", False),
        (f"{ASKED};q=0.5,*/*", False),
        (f"{ASKED};q=0", False),
        (f"{ASKED};q=x", False),
        (f"{ASKED};q=nan", False),
        ("application/vnd.google.protobuf", False),
        ("application/vnd.google.protobuf;proto=other;encoding=delimited", False),
        ("", False),
        (";;,=,q=", False),
    ],
)
def test_protobuf_is_sent_if_the_header_prefers_it(accept, is_protobuf):
    assert prefers_protobuf(accept) is is_protobuf


@pytest.mark.parametrize("native", [None, [1], [0, 5], [FIRST - 1, 3], [FIRST, 1, 0, 2], [FIRST, 2, 1, -1], [FIRST, 1.5, 1, 2]])
def test_malformed_native_counts_leave_the_classic_histogram(native):
    histogram = Histogram(5.0, 0.0)
    for _ in range(3):
        histogram.add(100.0, 0.0)
    stats = {"ticks": {"feed_to_broker_totals": {**histogram.totals(), "native": native}}}
    answer = metrics.answer(ASKED, stats, 0.1, {}, failed(Level.OK, ""))[1]
    item = decoded(answer)["hulak_feed_to_broker_seconds"].metric[0].histogram
    assert (item.sample_count, len(item.bucket), len(item.positive_span)) == (3, 21, 0)


@pytest.mark.system
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed: apt-get install prometheus")
def test_a_quantile_in_prometheus_is_within_two_percent_of_the_true_one(tmp_path):
    chance = random.Random(7)
    values = sorted(chance.lognormvariate(-6, 1.5) for _ in range(20_000))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = body_of(values, self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    [port] = free_ports(1)
    target = f"127.0.0.1:{server.server_port}"
    job = {"job_name": "hulak", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": [{"targets": [target]}]}
    (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    words = ["prometheus", "--enable-feature=native-histograms", f"--config.file={tmp_path}/prometheus.yml"]
    words += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)

    def p99():
        query = urllib.parse.quote("histogram_quantile(0.99, hulak_feed_to_broker_seconds)")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5) as item:
                rows = json.load(item)["data"]["result"]
        except OSError:
            return None
        return float(rows[0]["value"][1]) if rows else None

    try:
        item = eventually(p99, within_s=60)
        assert item == pytest.approx(values[int(0.99 * len(values))], rel=0.02)
    finally:
        process.terminate()
        process.wait(30)
        server.shutdown()
        server.server_close()
