"""MqttBalancer and the configuration of each router; rendering is pure, running belongs to the resources."""
