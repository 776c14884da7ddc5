"""The management API of an EMQX 5.8 cluster; every answer agrees with the recordings, or the path is not there at all."""
