"""What we declare on Kubernetes, as plain manifests of settings: pure, so that each can be held against the API's schema and Pod Security without a cluster."""
