"""The modules that each peer's own worker program loads; they find their server by a variable of the environment."""

REDIS = "BENCHMARK_REDIS"  # variable with the server's URL
