"""Who may do what, and how much of it: authentication, authorization, bans, limits, the licence."""
