#!/bin/sh
# Installs the peers' servers on Debian and derivatives, for `python -m benchmarks`; needs root. Their Python clients come with
# `pip install 'hulak[bench]'`, those of the task queues with `pip install -r benchmarks/requirements-tasks.txt`. The
# packages' own services are neither started nor enabled: the benchmarks start servers of their own on free ports and end
# them.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server nats-server
