"""Components, providers and the pure core of the EMQX upgrade; nothing in here imports the lab."""
