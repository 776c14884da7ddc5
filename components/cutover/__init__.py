"""What decides a cutover: cohorts, steps, pace and gates; pure functions of what they are given."""
