"""What the links of a run share: lease, time, journal, measurements; nothing here moves a client."""
