"""EmqxCluster, the component of one colour; how it is made is its target's."""
