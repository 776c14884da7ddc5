"""The routers that hold the share: read it, set it, and remember the lease of the run; they never look at EMQX."""
