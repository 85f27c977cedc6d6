"""What a process tells of itself while it has no descriptor left."""

import resource

from hulak.bus.process.resource_usage import Usage


def test_without_a_descriptor_left_memory_is_told_as_it_was():
    usage = Usage()
    before = usage.rss_bytes()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))  # those that are open stay
    try:
        assert usage.rss_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert usage.rss_bytes() > 1 << 20
    assert usage.cpu_s() > 0
