"""A stand-in for Pulumi's AWS plugin, where that cannot be had: the resource types of this program, served by boto3."""
