"""The memory, CPU and start that a process reports, also while it has no descriptor left."""

import resource

import psutil

from hulak.bus.process.resource_usage import Usage, started_ns


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


def test_the_memory_and_the_start_are_those_that_others_see():
    seen = psutil.Process()
    assert abs(Usage().rss_bytes() / seen.memory_info().rss - 1) < 0.1
    assert abs(started_ns() / 1e9 - seen.create_time()) < 2  # psutil knows the boot in whole seconds
