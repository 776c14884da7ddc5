"""The embedded default and the test bed: EMQX nodes, devices, a workspace for the real engine. Components never import it."""
