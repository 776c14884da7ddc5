"""What refuses, and why; a guard only looks, and what it cannot see is refused too."""
