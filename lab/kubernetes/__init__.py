"""A Kubernetes cluster of one machine: a real control plane in private namespaces, and nodes whose pods are processes."""
