"""What each link of the chain does, one module each; every act is idempotent and asks the run before it acts."""
