"""What acts during an update, one module per link of the chain; every act is idempotent and asks the run before it acts."""
