"""What a node of EMQX 4.2, 4.3 or 4.4 does otherwise than one of 5.x: its configuration, users and rules, start, and management API v4 (docs/emqx/v4.md).

From below: `line` (what differs by version), `etc` (configuration files), `hashes`, `judges` (who may do what), `colony` (what a cluster has), `asked` (one request),
the handlers, `ways` (all of them), `app` and `server`.
"""
