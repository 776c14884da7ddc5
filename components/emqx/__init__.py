"""EMQX's management API: what is sent, what is answered, and which error an answer means; it never imports pulumi."""
