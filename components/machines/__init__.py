"""A colour's nodes as machines of AWS: the settings, and everything that an instance reads when it boots; pure."""
