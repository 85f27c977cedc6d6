"""An OTLP receiver on the loopback: keeps the spans that processes send to it by HTTP."""

import gzip
import http.server
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse


class OtlpReceiver:
    """A context manager; `spans` are all spans received so far, each with its `service`."""

    def __enter__(self):
        self.spans = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """Print nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def take(self, request):
        for resource in request.resource_spans:
            service = next(pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += [Span(service, span) for span in scope.spans]

    def named(self, name):
        return [span for span in self.spans if span.name == name]


class Span:
    def __init__(self, service, span):
        self.service, self.name = service, span.name
        self.trace, self.id, self.parent = span.trace_id, span.span_id, span.parent_span_id
        self.begins, self.ends = span.start_time_unix_nano, span.end_time_unix_nano
        self.failed = span.status.code == 2
        self.links = [link.span_id for link in span.links]
        self.attributes = {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}
