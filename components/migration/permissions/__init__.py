"""Who may do what: one model of 4.4's decision and one of 5.x's, read from the brokers' sources, to compare before with after."""
