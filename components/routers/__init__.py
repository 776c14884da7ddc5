"""The routers that hold the share: read it, set it; they never look at EMQX."""
