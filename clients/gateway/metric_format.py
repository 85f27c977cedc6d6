"""Which format of `/metrics` a client prefers, by its header Accept (RFC 9110 section 12.5.1). Pure."""

PROTOBUF, MESSAGE = "application/vnd.google.protobuf", "io.prometheus.client.metricfamily"


def prefers_protobuf(accept: str) -> bool:
    """Return whether a header prefers delimited protobuf to text: Prometheus does so where it takes native histograms.

    Text is the format of all that do not ask for protobuf, and of malformed headers.
    """
    protobuf = text = 0.0
    for part in accept.split(","):
        kind, *parameters = (item.strip().lower() for item in part.split(";"))
        named = dict(item.replace(" ", "").split("=", 1) for item in parameters if "=" in item)
        try:
            weight = float(named.get("q", "1"))
        except ValueError:
            return False
        if kind == PROTOBUF and (named.get("proto"), named.get("encoding")) == (MESSAGE, "delimited"):
            protobuf = max(protobuf, weight)
        elif kind in ("text/plain", "text/*", "*/*"):
            text = max(text, weight)
    return protobuf > text
