"""MQTT devices that behave like firmware and write down all that happens to them; they never look at the balancer or at EMQX."""
