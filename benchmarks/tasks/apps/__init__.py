"""The modules that each peer's own worker program loads; they find their server by an environment variable."""

REDIS = "BENCHMARK_REDIS"  # variable with the server's URL
