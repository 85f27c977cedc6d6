#!/bin/sh
# Installs redis-server on Debian and derivatives, for `python -m benchmarks`; needs root. The other servers and all Python
# clients come with `pip install 'hulak[bench]'`, those of the task queues with
# `pip install -r benchmarks/requirements-tasks.txt`. The package's service is neither started nor enabled: the benchmarks
# start a server of their own on a free port and end it.
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server
