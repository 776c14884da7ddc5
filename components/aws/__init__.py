"""Where things are on AWS, and how its services are asked: values and clients, nothing of EMQX."""
