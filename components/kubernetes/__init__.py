"""The edge to a Kubernetes API server: objects, pods and why they are not ready, ports of pods; it knows nothing of EMQX, and its one error is its own."""
