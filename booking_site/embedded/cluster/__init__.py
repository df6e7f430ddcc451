"""The servers of a production site on one machine: `make cluster`, `make stampede`, and tests.

Three database servers (PostgreSQL under Patroni, etcd, Redis and Sentinel), app servers (granian
and PgBouncer), HAProxy, a worker and the live process, each in a network namespace, configured by
the files in `deploy/cluster/`. Needs Linux and Debian's packages. A program uses it like this:

    enter_namespaces()  # runs the program again inside; returns there
    with running_cluster(servers=3) as cluster:
        cluster.url             # HAProxy, in front of the app servers
        cluster.database_url    # the primary through HAProxy, without PgBouncer
        cluster.redis_url       # by Sentinel
        cluster.primary()       # the node that is the primary now; waits for one
        cluster.standbys()      # the nodes that are standbys and reachable
        cluster.has_quorum()    # whether both standbys stream
        cluster.switch_over(to=node)
        cluster.reconfigure(synchronous_mode=False)   # Patroni's settings
        cluster.manage("seed_demo")                   # a command of manage.py

    Nodes (cluster.nodes, .balancer, .servers, .worker, .live) have name, address, disk, parts, and
    cut(), reconnect(), kill(), freeze(), thaw(), start(), stop().
    cluster.nodes have the parts etcd, patroni, redis, sentinel; url, socket_url (works while the
    node is cut off), kill_postgres(), freeze_postgres(), thaw_postgres().
    cluster.servers have the parts pgbouncer and web; number, url. cluster.balancer has haproxy.
    A part has start(), stop(), kill(), freeze(), thaw(), state, log, command, environment.

Every process ends when the program ends, also by kill -9.
"""

from booking_site.embedded.cluster.cluster import Cluster, running_cluster
from booking_site.embedded.cluster.namespaces import enter_namespaces

__all__ = ["Cluster", "enter_namespaces", "running_cluster"]
