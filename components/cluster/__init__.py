"""EmqxCluster and one module per target; everything after the handle is the same code for all the targets."""
