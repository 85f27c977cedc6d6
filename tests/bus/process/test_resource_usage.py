"""The memory and CPU that a process reports while it has no descriptor left."""

import resource

from hulak.bus.process.resource_usage import Usage


def test_without_a_descriptor_left_the_last_known_memory_is_reported():
    usage = Usage()
    before = usage.rss_bytes()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))  # open descriptors stay open
    try:
        assert usage.rss_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert usage.rss_bytes() > 1 << 20
    assert usage.cpu_s() > 0
