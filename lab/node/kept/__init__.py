"""What a cluster keeps, and the values it is made of: messages, topics, accounts, rules, configuration."""
